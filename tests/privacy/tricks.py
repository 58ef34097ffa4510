"""Makes private values in forms in which people and programs write them, and values that only look private.

Everything comes from a seed: the same seed makes the same texts. It was written before the patterns, from the forms that
standards and providers publish, and it does not use the code of the detectors.
"""

import json
import random
import string
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import quote

from stdnum import iban as iban_number
from stdnum import luhn

ZERO_WIDTH: Final = ("\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u200e")
BLANKS: Final = (" ", "\u00a0", "\u2009", "\u202f", "\u3000")
DASHES: Final = ("-", "\u2010", "\u2011", "\u2013")
ALNUM: Final = string.ascii_letters + string.digits
UPPER: Final = string.ascii_uppercase + string.digits
HEX: Final = "0123456789abcdef"
URLSAFE: Final = ALNUM + "-_"

CARDS: Final = (
    ("4", 16), ("4", 16), ("51", 16), ("55", 16), ("2221", 16), ("2720", 16), ("34", 15), ("37", 15), ("6011", 16),
    ("65", 16), ("3530", 16), ("3589", 16), ("36", 14), ("62", 16),
)  # fmt: skip
ACCOUNTS: Final = {
    "DE": "n18", "FR": "n20", "NL": "a4n10", "ES": "n20", "IT": "a1n22", "GB": "a4n14", "NO": "n11", "CH": "n17",
    "PL": "n24", "MT": "a4n5c18", "SE": "n20", "BE": "n12",
}  # fmt: skip
PHONES: Final = (
    "+49 30 {4}{2}", "+49 171 {7}", "+1 (4{2}) 5{2}-{4}", "(4{2}) 5{2}-{4}", "4{2}-5{2}-{4}", "+33 6 {2} {2} {2} {2}",
    "06 {2} {2} {2} {2}", "020 7{3} {4}", "+44 20 7{3} {4}", "07{3} {6}", "+81 3-{4}-{4}", "03-{4}-{4}",
    "+91 98{3} {5}", "0049 30 {6}", "+39 06 {4} {4}", "02 {4} {4}", "+4930{6}", "tel:+4917{8}", "0171/{7}", "(030) {6}",
)  # fmt: skip


def _some(rng: random.Random, alphabet: str, count: int) -> str:
    return "".join(rng.choice(alphabet) for _ in range(count))


def _digits(rng: random.Random, count: int) -> str:
    return _some(rng, "123456789", 1) + _some(rng, string.digits, count - 1) if count else ""


def email(rng: random.Random) -> str:
    """An address of ASCII letters, as most are."""
    local = _some(rng, string.ascii_lowercase, rng.randint(1, 8)) + rng.choice(("", ".x", "+tag", "_1", "-b", "99"))
    host = ".".join(_some(rng, string.ascii_lowercase, rng.randint(2, 9)) for _ in range(rng.randint(1, 2)))
    return f"{local}@{host}.{rng.choice(('com', 'org', 'de', 'io', 'co.uk', 'museum'))}"


def card(rng: random.Random) -> str:
    """A number of an issuer, with a checksum that holds."""
    prefix, length = rng.choice(CARDS)
    body = prefix + _some(rng, string.digits, length - len(prefix) - 1)
    return body + luhn.calc_check_digit(body)


def iban(rng: random.Random) -> str:
    """An account number of one of twelve countries."""
    while True:
        country, form = rng.choice(sorted(ACCOUNTS.items()))
        bban, rest = "", form
        while rest:
            kind, rest = rest[0], rest[1:]
            digits = ""
            while rest and rest[0].isdigit():
                digits, rest = digits + rest[0], rest[1:]
            alphabet = {"n": string.digits, "a": string.ascii_uppercase, "c": UPPER}[kind]
            bban += _some(rng, alphabet, int(digits))
        number = country + iban_number.calc_check_digits(f"{country}00{bban}") + bban
        if iban_number.is_valid(number, check_country=False):
            return number


def phone(rng: random.Random) -> str:
    """A number in the grouping of its country."""
    form, made = rng.choice(PHONES), ""
    while form:
        if form[0] == "{":
            made, form = made + _digits(rng, int(form[1])), form[3:]
        else:
            made, form = made + form[0], form[1:]
    return made


def ip(rng: random.Random) -> str:
    """An address of either version."""
    if rng.random() < 0.6:
        return ".".join(str(rng.randint(1, 254)) for _ in range(4))
    groups = [f"{rng.randint(1, 0xFFFF):x}" for _ in range(8)]
    return rng.choice(
        (":".join(groups), "2001:db8:" + ":".join(groups[:2]) + "::" + groups[3], "fe80::" + groups[0] + ":1")
    )


PROVIDERS: Final[tuple[Callable[[random.Random], str], ...]] = (
    lambda r: "hf_" + _some(r, string.ascii_letters, 34),
    lambda r: "glpat-" + _some(r, URLSAFE[:-2], 20),
    lambda r: "npm_" + _some(r, ALNUM, 36),
    lambda r: r.choice(("ghp_", "gho_", "ghu_", "ghs_", "ghr_")) + _some(r, ALNUM, 36),
    lambda r: "github_pat_" + _some(r, ALNUM, 22) + "_" + _some(r, ALNUM, 59),
    lambda r: r.choice(("AKIA", "ASIA")) + _some(r, string.ascii_uppercase + "234567", 16),
    lambda r: "AIza" + _some(r, URLSAFE[:-2], 35),
    lambda r: "sk-" + _some(r, ALNUM, 20) + "T3BlbkFJ" + _some(r, ALNUM, 20),
    lambda r: "sk-proj-" + _some(r, URLSAFE[:-2], 74),
    lambda r: "sk-ant-api03-" + _some(r, URLSAFE[:-2], 93) + "AA",
    lambda r: "xoxb-" + _some(r, string.digits, 12) + "-" + _some(r, string.digits, 12) + "-" + _some(r, ALNUM, 24),
    lambda r: r.choice(("sk_live_", "rk_live_", "sk_test_")) + _some(r, ALNUM, 24),
    lambda r: "r8_" + _some(r, ALNUM, 37),
    lambda r: "dapi" + _some(r, HEX, 32),
    lambda r: "pypi-AgEIcHlwaS5vcmc" + _some(r, URLSAFE, 70),
    lambda r: "dckr_pat_" + _some(r, ALNUM, 27),
    lambda r: "dop_v1_" + _some(r, HEX, 64),
    lambda r: "SK" + _some(r, HEX, 32),
    lambda r: "SG." + _some(r, ALNUM, 22) + "." + _some(r, ALNUM, 43),
    lambda r: "pcsk_" + _some(r, ALNUM, 6) + "_" + _some(r, ALNUM, 60),
    lambda r: f"eyJ{_some(r, ALNUM, 24)}.eyJ{_some(r, ALNUM, 40)}.{_some(r, URLSAFE[:-2], 43)}",
    lambda r: f"DB_PASSWORD={_some(r, ALNUM, 12)}",
    lambda r: f'"client_secret": "{_some(r, ALNUM, 24)}"',
    lambda r: f"api_key: {_some(r, ALNUM, 24)}",
    lambda r: f"AWS_SECRET_ACCESS_KEY={_some(r, ALNUM + '/+', 40)}",
    lambda r: f"postgres://app:{_some(r, ALNUM, 12)}@db/x",
    lambda r: f"AccountKey={_some(r, ALNUM + '/+', 86)}==",
    lambda r: (
        f"-----BEGIN EC PRIVATE KEY-----\n{_some(r, ALNUM + '/+', 64)}\n{_some(r, ALNUM, 40)}==\n-----END EC PRIVATE KEY-----"
    ),
    lambda r: f"Authorization: Bearer {_some(r, ALNUM, 32)}",
    lambda r: f"gsk_{_some(r, ALNUM, 52)}",
)


def us_ssn(rng: random.Random) -> str:
    """A number with dashes, or one that a word names."""
    area = rng.choice([number for number in range(1, 900) if number != 666])
    group, serial = rng.randint(1, 99), rng.randint(1, 9999)
    if rng.random() < 0.5:
        return f"{area:03d}-{group:02d}-{serial:04d}"
    gap = rng.choice(("", " ", "."))
    return f"SSN: {area:03d}{gap}{group:02d}{gap}{serial:04d}"


def token(rng: random.Random) -> str:
    """A credential of a provider, or one in words that say what it is."""
    return rng.choice(PROVIDERS)(rng)


VALUES: Final = {"email": email, "card": card, "iban": iban, "phone": phone, "ip": ip, "token": token, "us_ssn": us_ssn}

# ── forms ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def wide(text: str) -> str:
    """Digits and letters of full width, as East Asian input methods write them."""
    return "".join(chr(ord(c) + 0xFEE0) if c.isascii() and c.isalnum() else c for c in text)


def arabic(text: str) -> str:
    """Digits of another script."""
    return "".join(chr(0x0660 + int(c)) if c.isascii() and c.isdigit() else c for c in text)


def _invisible(rng: random.Random, text: str) -> str:
    for _ in range(rng.randint(1, 3)):
        at = rng.randint(1, len(text) - 1)
        text = text[:at] + rng.choice(ZERO_WIDTH) + text[at:]
    return text


def _grouped(rng: random.Random, text: str, name: str) -> str:
    blank = rng.choice((*BLANKS[:4], *DASHES))
    if name == "card":
        groups = (4, 6, 5) if len(text) == 15 else (4, 6, 4) if len(text) == 14 else (4, 4, 4, 4)
        parts, at = [], 0
        for size in groups:
            parts.append(text[at : at + size])
            at += size
        return blank.join(parts)
    if name == "iban":
        return blank.join(text[at : at + 4] for at in range(0, len(text), 4))
    return text.replace(" ", blank)


def trick(rng: random.Random, name: str) -> str:
    """A private value of this detector, in one of the forms in which it may be written."""
    value = VALUES[name](rng)
    kinds = ["plain", "plain", "grouped", "invisible", "encoded"]
    if name != "token":
        kinds += ["wide"]
    if name in ("card", "phone", "ip"):
        kinds += ["arabic"]
    match rng.choice(kinds):
        case "grouped":
            return _grouped(rng, value, name)
        case "invisible":
            return _invisible(rng, value)
        case "wide":
            return wide(value)
        case "arabic":
            return arabic(value)
        case "encoded":
            return quote(value, safe="") if rng.random() < 0.5 else json.dumps(value)[1:-1]
    return value


# ── neighbours ────────────────────────────────────────────────────────────────────────────────────────────────────────

NEIGHBOURS: Final[tuple[tuple[str, str], ...]] = (
    ("", ""), ("", "."), ("", ","), ("", ";"), ("", ":"), ("", "!"), ("", "?"), ("", "…"), ("", "-"), ("", " -"), ("", "_"),
    ("", ". Thanks"), ("", ".\n"), ("", ".)"), ("", "/"), ("", "\\"), ("", "|"), ("", "'s"), ("", "~"), ("", "*"),
    ("(", ")"), ("[", "]"), ("{", "}"), ("<", ">"), ('"', '"'), ("'", "'"), ("`", "`"), ("«", "»"), ("“", "”"), ("„", "“"),
    ("「", "」"), ("（", "）"), ("**", "**"), ("__", "__"), ("<b>", "</b>"), ("<td>", "</td>"), ("| ", " |"), ("[x](", ")"),
    (" ", " "), ("\t", "\t"), ("\n", "\n"), ("\r\n", "\r\n"), ("\u00a0", "\u00a0"), ("\u2009", "\u2009"), ("\u202f", "\u202f"),
    ("\u3000", "\u3000"), ("\u2028", "\u2028"), ("\u200b", "\u200b"), ("\ufeff", ""), ("\u200e", "\u200f"), ("\u2060", "\u2060"),
    ("=", ""), (":", ""), (": ", ""), (",", ","), (";", ";"), ("x=", "&y=1"), ("?q=", "&"), ("\\n", "\\n"), ("\\t", "\\t"),
    ("\\r\\n", "\\r\\n"), ('\\"', '\\"'), ("&lt;", "&gt;"), ("&quot;", "&quot;"), ("&nbsp;", "&nbsp;"), ("%20", "%20"),
    ("%3D", "%26"), ("%22", "%22"), ("\\u0020", "\\u0020"), ("\\u003c", "\\u003e"), ("连络", "谢谢"), ("お客様は", "です"),
    ("это ", " да"), ("—", "—"), ("–", "–"), ("•", ""), ("# ", ""), ("- ", ""), ("> ", ""), ("🙂", "🙂"), ("to ", " now"),
)  # fmt: skip
"""What may stand directly before and after: it must not decide whether a value is found."""

# ── what only looks private ───────────────────────────────────────────────────────────────────────────────────────────


def _innocent(rng: random.Random, kind: str) -> str:
    seconds = rng.randint(1_500_000_000, 1_900_000_000)
    big = {"seconds": seconds, "ms": seconds * 1000 + rng.randint(0, 999), "us": seconds * 10**6 + rng.randint(0, 999_999)}
    match kind:
        case "seconds" | "ms" | "us":
            return str(big[kind])
        case "order":
            return f"{rng.randrange(10 ** rng.randint(4, 10)):010d}"
        case _ if kind in IDS:
            return _digits(rng, int(kind[2:]))
        case "float":
            return repr(rng.choice((rng.random(), rng.uniform(-1e6, 1e6), rng.gauss(0, 1e-5))))
        case "hash":
            return _some(rng, HEX, rng.choice((32, 40, 64)))
        case "uuid":
            made = _some(rng, HEX, 32)
            return "-".join((made[:8], made[8:12], made[12:16], made[16:20], made[20:]))
        case "version":
            return ".".join(str(rng.randint(0, 30)) for _ in range(3)) + rng.choice(("", "-rc1", "+build.5"))
        case _:
            return f"20{rng.randint(10, 29)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}T10:{rng.randint(10, 59)}:00Z"


IDS: Final = tuple(f"id{digits}" for digits in range(12, 20))
INNOCENT: Final = ("seconds", "ms", "us", "order", *IDS, "float", "hash", "uuid", "version", "date")
AROUND: Final = (
    "{}", "id {}", '{{"id": {}}}', "id={}", "order {} was sent", "it took {} in all", "/items/{}/x", "({})", "{}, {}",
    "ref: {}", "at {}", "[{}]",
)  # fmt: skip


def innocent(seed: int, kind: str, count: int) -> Iterator[str]:
    """So many texts with values of this kind, none of which is private."""
    rng = random.Random(f"{seed}/{kind}")
    for number in range(count):
        before, *behind = AROUND[number % len(AROUND)].replace("{{", "\0").replace("}}", "\1").split("{}")
        text = before + "".join(_innocent(rng, kind) + part for part in behind)
        yield text.replace("\0", "{").replace("\1", "}")


def tricks(seed: int, name: str, count: int) -> Iterator[str]:
    """So many texts with a private value of this detector each, between neighbours of every kind."""
    rng = random.Random(f"{seed}/{name}")
    for _ in range(count):
        before, after = rng.choice(NEIGHBOURS)
        yield f"{before}{trick(rng, name)}{after}"
