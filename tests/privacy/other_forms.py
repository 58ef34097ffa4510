r"""More private values as people and programs write them, each of which must be found; none was known when the patterns were written.

National telephone numbers of twenty countries, values beside letters of every script, secrets in the files and headers
where they stand, key blocks, and values that are escaped for a URL, for HTML or twice.
"""

import base64
from typing import Final
from urllib.parse import quote

_KEY: Final = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"
_SECRET: Final = "q7Rt2Lm9Xw4Zp1Vb8Nc6"
_SCRIPTS: Final = (
    "слово",
    "λόγος",
    "שלום",
    "سلام",
    "नमस्ते",
    "สวัสดี",
    "안녕",
    "你好",
    "こんにちは",
    "გამარჯობა",
    "բարեւ",
    "ሰላም",
)


def _beside(value: str) -> tuple[str, ...]:
    """The value between words of other scripts, with and without a blank."""
    return tuple(f"{word}{value}{word}" for word in _SCRIPTS) + tuple(f"{word} {value} {word}" for word in _SCRIPTS[:3])


def _html(value: str) -> str:
    return "".join(f"&#{ord(item)};" for item in value)


def _hex_html(value: str) -> str:
    return "".join(f"&#x{ord(item):x};" for item in value)


def _percent(value: str) -> str:
    return "".join(f"%{ord(item):02x}" for item in value)


def _wide(value: str) -> str:
    return "".join(chr(ord(item) + 0xFEE0) if "!" <= item <= "~" else item for item in value)


def _sprinkled(value: str, unseen: str) -> str:
    return unseen.join(value)


OTHER_FORMS: Final[dict[str, tuple[str, ...]]] = {
    "email": (
        *_beside("li.wei@mail.cn"), _html("jo@web.de"), _hex_html("jo@web.de"), _percent("jo@web.de"), quote(quote("jo@web.de", safe=""), safe=""),
        _wide("jo@web.de"), _sprinkled("jo@web.de", "\u200b"), _sprinkled("jo@web.de", "\u2060"), "jo&#0064;web&period;de",
        "jo (at) web (dot) de", "jo{at}web{dot}de", "jo AT web DOT de <jo@web.de>", "From: =?utf-8?q?Jo?= <jo@web.de>",
        "reply-to=jo%40web.de&x", r'"to":"jo\u0040web.de"', r"{\"to\":\"jo@web.de\"}", "jo@web.de\u3002", "「jo@web.de」", "jo@web.de\u2028next",
        "to:jo@web.de;cc:al@web.de", "jo@web.de|al@web.de", "ssh jo@host.example.org", "git@github.com:org/x.git", "xmpp:jo@web.de/phone",
        "jo+a.b@sub-1.web.de", "1234@web.de", "_jo_@web.de", "jo@WEB.DE", "jo@web.photography", "é@web.fr", "jo@bücher.example", "jo@例え.jp",
        "jo@web.de...", "jo@web.de?!", "jo@web.de—al", "jo@web.de\u200b.", "|jo@web.de|", "[jo](mailto:jo@web.de)", "jo@web.de:pass",
        "sip:jo@web.de:5060", "<jo@web.de>:", "jo\uff20web\uff0ede", "jo﹫web﹒de", "USER_MAIL=jo@web.de",
    ),
    "card": (
        *_beside("4012888888881881"), _html("4012888888881881"), _percent("4012888888881881"), _wide("4012888888881881"),
        _sprinkled("4012888888881881", "\u200b"), "4012 8888 8888 1881.", "4012–8888–8888–1881", "4012\u20098888\u20098888\u20091881",
        "4012\u30008888\u30008888\u30001881", "card no 4012888888881881", "card number: 4012888888881881", "CC#4012888888881881", "pan=4012888888881881;",
        '{"number":"4012888888881881","cvc":"123"}', "number: '4012 8888 8888 1881'", "4012888888881881|12|27|123", "4012888888881881\t12/27",
        "kreditkarte 4012888888881881", "carte bancaire 4012 8888 8888 1881", "番号4012888888881881", "paid 4012888888881881", "valid 4012888888881881",
        "that 4012888888881881 was charged", "what 5555555555554444", "5555 5555 5555 4444", "5555-5555-5555-4444", "2720 9900 0000 0007".replace("0007", "0015"),
        "371449635398431", "3714 496353 98431", "6011000990139424", "3566002020360505", "38520000023237", "3852 000002 3237", "6212345678901232",
        "4012%2D8888%2D8888%2D1881", "4012&nbsp;8888&nbsp;8888&nbsp;1881", "४०१२८८८८८८८८१८८१", "੪੦੧੨੮੮੮੮੮੮੮੮੧੮੮੧", "۴۰۱۲۸۸۸۸۸۸۸۸۱۸۸۱",
        "<card>4012888888881881</card>", "4012888888881881EUR", "x4012888888881881x", "4012888888881881,12,27", "7,4012888888881881,EUR", "4012888888881881;50", "casino 4012888888881881", "chat 4012 8888 8888 1881",
    ),
    "iban": (
        *_beside("GB33BUKB20201555555555"), _html("GB33BUKB20201555555555"), _percent("GB33BUKB20201555555555"), _wide("GB33BUKB20201555555555"),
        _sprinkled("GB33BUKB20201555555555", "\u200b"), "GB33 BUKB 2020 1555 5555 55", "gb33 bukb 2020 1555 5555 55", "GB33\u2009BUKB\u20092020\u20091555\u20095555\u200955",
        "GB33\u2011BUKB\u20112020\u20111555\u20115555\u201155", "IBAN GB33BUKB20201555555555 BIC BUKBGB22", "iban:GB33BUKB20201555555555", "GB33BUKB20201555555555,",
        "SA0380000000608010167519", "AE070331234567890123456", "TR330006100519786457841326", "RO49AAAA1B31007593840000", "PT50000201231234567890154",
        "LU280019400644750000", "IE29AIBK93115212345678", "HU42117730161111101800000000", "CZ6508000000192000145399", "DK5000400440116243",
        "FI2112345600000785", "GR1601101250000000012300695", "HR1210010051863000160", "IS140159260076545510730339", "IL620108000000099999999",
        "KZ86125KZT5004100100", "SK3112000000198742637541", "SI56191000000123438", "BG80BNBG96611020345678", "EE382200221020145685",
        "LV80BANK0000435195001", "LT121000011101001000", "PK36SCBL0000001123456702", "UA213223130000026007233566001", "QA58DOHB00001234567890ABCDEFG",
        "BR1800360305000010009795493C1", "'GB33BUKB20201555555555'", "GB33BUKB20201555555555\n", "transfer to GB33 BUKB 2020 1555 5555 55.", "GB33&#32;BUKB&#32;2020&#32;1555&#32;5555&#32;55",
    ),
    "us_ssn": (
        *_beside("536-90-4399"), "Patient SSN....: 536-90-4399", "SSN\t536904399", "ssn,536-90-4399,dob", "SSN\n536-90-4399",
        "SSN(last verified):536-90-4399", "taxpayer 536-90-4399 (joint)", "W-2 box a: 536-90-4399", "ssn is: 536904399",
        "SSN -> 536904399", "SSN ５３６９０４３９９", "employee_ssn: 536904399", "applicantSSN=536904399", "ssn\u00a0536\u00a090\u00a04399",
        quote("ssn: 536-90-4399"), "SSN: 536-90-4399; DOB: 1970-01-01", "Social-Security 536904399", "the social is 536-90-4399",
        _html("536-90-4399"), _hex_html("536-90-4399"), _percent("536-90-4399"), _wide("536-90-4399"),
        _sprinkled("536-90-4399", "\u200b"), "spouseSsn: 536 90 4399", "SSN/TIN 536-90-4399", "customer.ssn = '536904399'",
        "SSN:536-90-4399|DOB:1970", "**SSN** 536-90-4399", "\\n536-90-4399\\n", "SSN 1: 536904399",
    ),
    "ip": (
        *_beside("198.51.100.7"), _html("198.51.100.7"), _percent("198.51.100.7"), _wide("198.51.100.7"), _sprinkled("198.51.100.7", "\u200b"),
        "198.51.100.7|GET", "198.51.100.7 - - [10/Oct/2000]", "client=198.51.100.7:51234", "Forwarded: for=198.51.100.7;proto=https",
        'for="[2001:db8:cafe::17]:4711"', "X-Real-IP: 198.51.100.7", "198.51.100.7/32", "198.51.100.0/24", "ssh root@198.51.100.7", "http://198.51.100.7:8080/",
        "198[.]51[.]100[.]7", "198(.)51(.)100(.)7", "hxxp://198.51.100[.]7", "2001:db8:85a3::8a2e:370:7334", "2001:db8:85a3:0:0:8a2e:370:7334",
        "fe80::1%wlan0", "::ffff:198.51.100.7", "2001:db8::/32", "http://[2001:db8::7]:80/", "inet6 2001:db8::7 prefixlen 64", "addr:2001:db8::7",
        "[2001:db8::7]", "2001:db8::7.", "(2001:db8::7)", '"2001:db8::7"', "2001:db8::7;", "198.51.100.7.", "198.51.100.7?", "198.51.100.7!", "«198.51.100.7»",
        "198.51.100.7\u3002", "۱۹۸.۵۱.۱۰۰.۷", "198。51。100。7", r"198\u002e51\u002e100\u002e7", "REMOTE_ADDR=198.51.100.7", "host: 198.51.100.7",
    ),
    "phone": (
        "Tel. 030 12345678", "089/123456-78", "01 42 68 53 00", "0142685300 tel", "tel 0142685300", "020 7946 0123", "(020) 7946 0123", "07911 123456",
        "91 123 45 67", "tel: 911234567", "06 1234 5678", "010-123 45 67", "tel 0101234567", "02 123 45 67", "0470 12 34 56", "044 668 18 00", "0664 1234567",
        "08-123 456 78", "tel 22 12 34 56", "+47 22 12 34 56", "09 1234 5678", "+358 9 1234 5678", "22 123 45 67 tel", "tel 22 123 45 67", "+48 22 123 45 67",
        "8 800 555-35-35", "+7 495 123-45-67", "0212 555 12 34", "+90 212 555 12 34", "03-1234-5678", "090 1234 5678", "02-312-3456", "010-1234-5678",
        "138-0013-8000", "010 6552 9988", "098765 43210", "+91 22 2345 6789", "(11) 3456-7890", "11 91234-5678 celular", "+55 11 91234-5678", "55 1234 5678 tel",
        "+52 55 1234 5678", "011 4321-5678", "+54 9 11 4321-5678", "02 9876 5432", "(02) 9876 5432", "0412 345 678", "011 123 4567", "+27 11 123 4567",
        "03-123 4567", "050-123-4567", "+972-50-123-4567", "+971 50 123 4567", "050 123 4567", "+65 6123 4567", "tel 6123 4567", "+852 2123 4567",
        *_beside("+49 30 123456"), _html("+4930123456"), _percent("+4930123456"), _wide("+49 30 123456"), _sprinkled("+4930123456", "\u200b"),
        "phone: 4930123456", "+49 30 123456,17", "17,+49 30 123456", "0176 1234567,3", "3,0176 1234567", '"mobile":"01761234567"', "tel=0176-1234567;", "<tel>+49 176 1234567</tel>", "+49 176 1234567\u3002", "wa.me/491761234567 whatsapp 491761234567",
    ),
    "token": (
        f"export OPENAI_API_KEY=sk-{_SECRET}{_SECRET}", f"HF_TOKEN=hf_{_SECRET}{_SECRET}", f"token: ghp_{_SECRET}{_SECRET[:16]}", f'{{"auth_token":"{_SECRET}"}}',
        f"Authorization: Bearer {_SECRET}{_SECRET}", f"authorization: token {_SECRET}{_SECRET}", f"x-api-key: {_SECRET}", f"X-API-Key={_SECRET}",
        f"api-key: '{_SECRET}'", f"apikey={_SECRET}&q=1", f"?api_key={_SECRET}&x", f"?access_token={_SECRET}", f"curl -u user:{_SECRET} https://x",
        f"curl -H 'Authorization: Bearer {_SECRET}'", f"https://user:{_SECRET}@host/x", f"mongodb+srv://user:{_SECRET}@host/db", f"amqp://user:{_SECRET}@mq:5672",
        f'password = "{_SECRET}"', f"password:\n  {_SECRET}", f"DB_PASS={_SECRET}", f"PGPASSWORD={_SECRET} psql", f"MYSQL_PWD={_SECRET}", f"secret_key: {_SECRET}",
        f"SECRET_KEY = '{_SECRET}'", f"client_secret={_SECRET}", f"aws_secret_access_key={_SECRET}{_SECRET}", f"aws_session_token = {_SECRET}{_SECRET}{_SECRET}",
        f"//registry.npmjs.org/:_authToken=npm_{_SECRET}{_SECRET[:16]}", f"_auth={base64.b64encode(_SECRET.encode()).decode()}", f"machine x login y password {_SECRET}",
        f"--api-key={_SECRET}", f"--token {_SECRET}", f"passphrase: {_SECRET}", f"<apiKey>{_SECRET}</apiKey>", f"<password>{_SECRET}</password>",
        f"Cookie: session_token={_SECRET}", f"private_key: |\n  -----BEGIN PRIVATE KEY-----\n  {_KEY}\n  -----END PRIVATE KEY-----",
        f"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0A1B\n\n{_KEY}\n-----END RSA PRIVATE KEY-----",
        f'"private_key": "-----BEGIN PRIVATE KEY-----\\n{_KEY}\\n-----END PRIVATE KEY-----\\n"', f"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{_KEY}\n-----END PGP PRIVATE KEY BLOCK-----",
        f"-----BEGIN ENCRYPTED PRIVATE KEY-----\r\n{_KEY}\r\n-----END ENCRYPTED PRIVATE KEY-----", f"password%3D{_SECRET}", f"password&#61;{_SECRET}",
        f"password&quot;:&quot;{_SECRET}&quot;", f"pa\u200bssword={_SECRET}", _wide(f"password={_SECRET}"), f"glpat-{_SECRET}", f"sk-ant-api03-{_SECRET}{_SECRET}{_SECRET}",
        f"AIza{_SECRET}{_SECRET[:15]}", f"xoxp-123456789012-123456789012-{_SECRET}", f"sk_live_{_SECRET}", f"dckr_pat_{_SECRET}{_SECRET[:7]}", f"gsk_{_SECRET}{_SECRET}{_SECRET[:12]}",
        *(f"{word}hf_{_SECRET}{_SECRET}{word}" for word in _SCRIPTS), f"密码:{_SECRET}", f"пароль: {_SECRET}", f"Passwort: {_SECRET}", f"mot de passe : {_SECRET}", f"contraseña: {_SECRET}",
    ),
}  # fmt: skip
