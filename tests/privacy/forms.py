"""Private values in forms that people met: each must be found. Written by hand; `tricks.py` makes others from a seed."""

from typing import Final

_JWT: Final = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
_PEM: Final = (
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ\n-----END OPENSSH PRIVATE KEY-----"
)

FORMS: Final[dict[str, tuple[str, ...]]] = {
    "email": (
        "mail jane@example.com.", "mail jane@example.com-", "mail jane@example.com_", "mail jane@example.com. Thanks",
        "mailto:jane@example.com?subject=x", "<jane@example.com>", "Jane <jane@example.com>,", "jane＠example.com",
        "ｊａｎｅ＠ｅｘａｍｐｌｅ．ｃｏｍ", "jane@exam\u200bple.com", "jane\u00ad@example.com", "jane%40example.com",
        "jane&#64;example.com", "jane&commat;example.com", r"jane\u0040example.com", r"\njane@example.com\n",
        "jane [at] example [dot] com", "jane(at)example(dot)com", "jane@example[.]com", '"jane doe"@example.com',
        "jane@[192.168.1.1]", "jane.doe+tag@sub.example.co.uk", "JANE@EXAMPLE.COM", "jürgen@müller.de", "почта@пример.рф",
        "メールはjane@example.comへ", "邮箱jane@example.com。谢谢", "https://x.de/?m=jane@example.com&y=1", "a@b.xn--p1ai",
        "jane@example.com's mail", "jane@example.museum", "o'neil@x.io", "user@example.com123", "(jane@example.com)",
        "**jane@example.com**", "`jane@example.com`", '{"m": "jane@example.com"}', "m=jane@example.com;", "jane@example.com/",
        "jane_doe-1@ex-ample.org", "x" * 70 + "@example.com",
    ),
    "card": (
        "4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111", "4111.1111.1111.1111", "4111  1111  1111  1111",
        "4111 - 1111 - 1111 - 1111", "4111\u00a01111\u00a01111\u00a01111", "4111\u20111111\u20111111\u20111111",
        "４１１１１１１１１１１１１１１１", "٤١١١١١١١١١١١١١١١", "4111\u200b1111\u200b1111\u200b1111", "card:4111111111111111",
        "card=4111111111111111&x", "(4111111111111111)", "4111111111111111.", "4111111111111111,", "卡号4111111111111111。",
        "_4111111111111111_", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "5500005555555559", "5105105105105100", "2223003122003222",
        "378282246310005", "3782 822463 10005", "3782-822463-10005", "6011111111111117", "6011 0009 9013 9424",
        "3530111333300000", "30569309025904", "3056 930902 5904", "6200000000000005", '{"pan": "4242424242424242"}',
        '{"pan": 4242424242424242}', "4242424242424242 12/27 123", "exp 12/27 4242424242424242", "Visa 4222222222222",
        "maestro 6759649826438453", "4111%201111%201111%201111", r"4111\u00201111\u00201111\u00201111", "<td>4111111111111111</td>",
        "4111/1111/1111/1111", "4111_1111_1111_1111",
    ),
    "iban": (
        "DE89370400440532013000", "DE89 3704 0044 0532 0130 00", "DE89-3704-0044-0532-0130-00", "de89370400440532013000",
        "De89 3704 0044 0532 0130 00", "DE89.3704.0044.0532.0130.00", "IBANDE89370400440532013000", "IBAN:DE89370400440532013000",
        "(DE89370400440532013000)", "DE89370400440532013000.", "DE89370400440532013000x", "_DE89370400440532013000_",
        "账号DE89370400440532013000谢谢", "ＤＥ８９３７０４００４４０５３２０１３０００", "DE89\u200b3704004405320130\u200b00",
        "DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000", "DE 89 3704 0044 0532 0130 00", "GB82WEST12345698765432",
        "GB82 WEST 1234 5698 7654 32", "FR1420041010050500013M02606", "FR14 2004 1010 0505 0001 3M02 606", "NO9386011117947",
        "NO93 8601 1117 947", "NL91ABNA0417164300", "ES9121000418450200051332", "IT60X0542811101000000123456",
        "CH9300762011623852957", "AT611904300234573201", "BE68539007547034", "PL61109010140000071219812874",
        "MT84MALT011000012345MTLCAST001S", "SE4550000000058398257466", "iban=DE89370400440532013000&x=1",
        '{"iban": "DE89370400440532013000"}', "DE89%203704%200044%200532%200130%2000", "LC55HEMM000100010012001200023015",
        "DE89 3704 0044 0532 0130 00 with love", "to DE89370400440532013000, 5 EUR", "<b>DE89370400440532013000</b>",
        "DE89 37040044 0532013000", "DE89&nbsp;3704&nbsp;0044&nbsp;0532&nbsp;0130&nbsp;00", "NL91 ABNA 0417 1643 00 NL91",
    ),
    "ip": (
        "10.0.0.1", "10.0.0.1.", "10.0.0.1:8080", "10.0.0.0/8", "http://10.0.0.1/x", "(10.0.0.1)", "[10.0.0.1]", "10.0.0.1,10.0.0.2",
        "ip=10.0.0.1;", "１０．０．０．１", "10\u200b.0.0.1", "10[.]0[.]0[.]1", "10.0.0[.]1", "010.000.000.001", "地址10.0.0.1。",
        "_10.0.0.1_", "10.0.0.1-10.0.0.9", "from 10.0.0.1 port 22", '"10.0.0.1"', "2001:db8::1", "2001:DB8::1", "[2001:db8::1]:443",
        "2001:db8::1/64", "fe80::1%eth0", "fe80::1%25eth0", "::ffff:10.0.0.1", "2001:0db8:0000:0000:0000:ff00:0042:8329",
        "2001:db8::1.", "2001:db8::1,", "ip:2001:db8::1", "[IPv6:2001:db8::1]", "fe80::1ff:fe23:4567:890a", "http://[2001:db8::1]/",
        "١٠.٠.٠.١", r"10\u002e0\u002e0\u002e1", "10%2E0%2E0%2E1", "2001：db8：：1", "x-forwarded-for: 203.0.113.7, 10.1.1.1",
        "10.0.0.1\n", "<td>10.0.0.1</td>", "64:ff9b::192.0.2.33",
    ),
    "phone": (
        "+49 30 901820", "+4930901820", "+49 (0)30 901820", "+49-30-901820", "+49/30/901820", "+49.30.901820", "(+49) 30 901820",
        "0049 30 901820", "004930901820123", "tel:+4930901820", "+1 (415) 555-2671", "+1-415-555-2671", "+14155552671",
        "1-800-555-0199", "(415) 555-2671", "(415)555-2671", "415-555-2671", "415.555.2671", "415 555 2671", "0171 1234567",
        "0171/1234567", "0171-1234567", "030/901820", "(030) 901820", "06 12 34 56 78", "06.12.34.56.78", "020 7946 0958",
        "07700 900123", "03-3210-1234", "090-1234-5678", "0412 345 678", "+91 98765 43210", "8 (495) 123-45-67", "138 0013 8000",
        "call 4155552671", "tel. 01711234567", "phone: 612 345 678", "WhatsApp 98765 43210", '"phone": "4155552671"',
        "＋４９ ３０ ９０１８２０", "+٤٩ ٣٠ ٩٠١٨٢٠", "+49\u200b30\u200b901820", "%2B49%2030%20901820", "+49 30 901820.", "电话+4930901820。",
        "(11) 91234-5678",
    ),
    "token": (
        "hf_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH", "glpat-x1Y2z3A4b5C6d7E8f9G0", "npm_" + "a1B2" * 9, "ghp_" + "a1B2" * 9,
        "gho_" + "a1B2" * 9, "ghs_" + "a1B2" * 9, "github_pat_11ABCDEFG0abcdefghijkl_" + "a1" * 29, "AKIAIOSFODNN7EXAMPLE",
        "ASIAY34FZKBOKMUTVV7A", "AIza" + "SyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q", "sk-proj-" + "a1B2_c3-" * 9, "sk-" + "a1B2c3D4e5" * 4,
        "sk-ant-api03-" + "a1B2c3D4-_" * 9, "xoxb-123456789012-123456789012-a1B2c3D4e5F6g7H8i9J0k1L2", "sk_live_a1B2c3D4e5F6g7H8i9J0k1L2",
        "rk_test_a1B2c3D4e5F6g7H8", "r8_" + "a1B2c3D4e5" * 4, "dapi" + "0a1b2c3d" * 4, "pypi-AgEIcHlwaS5vcmcCJ" + "a1B2c3D4" * 9,
        "dckr_pat_a1B2c3D4e5F6g7H8i9J0k1L2m3N", "dop_v1_" + "0a1b2c3d" * 8, "SK" + "0a1b2c3d" * 4, "SG.a1B2c3D4e5F6g7H8i9J0k1." + "a1B2c3D4" * 5,
        "pcsk_2abcd_" + "a1B2c3D4" * 7, "gsk_" + "a1B2" * 13, "ya29.a0AfH6SMBx_y-z1234567890abcdef", "hvs." + "CAESIJ" * 16, _JWT,
        f"Bearer {_JWT}", "Authorization: Basic dXNlcjpwYXNzd29yZA==", "https://user:hunter22@host/x", "redis://:hunter22@host/0",
        "password=hunter22", "DB_PASSWORD=hunter22", "export API_KEY='a1B2c3D4'", '"password": "hunter22"', "password: hunter22",
        "client_secret: 'a1B2 c3D4'", r"{\"password\": \"hunter22\"}", "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "AccountKey=" + "a1B2c3D4" * 10 + "==", "COHERE_API_KEY=a1B2c3D4e5F6g7H8", "WANDB_API_KEY: " + "0a1b2c3d" * 5, _PEM,
        _PEM.replace("\n", "\\n"), "<password>hunter22</password>", "--password hunter22", "my password is hunter22",
        "hf_\u200baBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH", "ｈｆ＿ａＢｃＤｅＦｇＨｉＪｋＬｍＮｏＰｑＲｓＴｕＶｗＸｙＺａＢｃＤｅＦｇＨ", "password%3Dhunter22",
    ),
}  # fmt: skip
