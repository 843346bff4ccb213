"""Fetches the third-party front-end files through npm, checks them and writes what we ship.

``python tools/vendor.py`` fetches again; ``--check`` only compares the files with their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STATIC = ROOT / "core" / "static" / "core"
VENDOR = STATIC / "vendor"
#: What documents are printed with; never sent to a browser.
FONTS = ROOT / "core" / "documents" / "fonts"
#: What only the tests use.
TESTED = ROOT / "tests" / "browser" / "vendor"


@dataclass(frozen=True)
class Package:
    """An npm package, pinned by version and by the registry's integrity of its archive."""

    name: str
    version: str
    licence: str
    integrity: str
    licence_file: str


HTMX = Package(
    "htmx.org",
    "4.0.1",
    "0BSD",
    "sha512-oF7JgXhDW9UXCy/k1ZYFUQgzu/rm19ORWPSPNL91vPluB2PB9+MV55tyQdH/w7o2EAbTYUG5SDW1R60mdkdqGg==",
    "LICENSE",
)
ICONS = Package(
    "@tabler/icons",
    "3.51.0",
    "MIT",
    "sha512-0pinvPZz7YeX+OSfxuEAbnEPWbocVXW5iU8h5lh41pYG8sZuQfpWECC980lxOT0clGIcNGn8xsBr+zKaRGdA/g==",
    "LICENSE",
)

AXE = Package(
    "axe-core",
    "4.10.3",
    "MPL-2.0",
    "sha512-Xm7bpRXnDSX2YE2YFfBk2FnF0ep6tmG7xPh8iHee8MIcrgq762Nkce856dYtJYLkuIoYZvGfTs/PbZhideTcEg==",
    "LICENSE",
)

NOTO = Package(
    "@expo-google-fonts/noto-sans-sc",
    "0.4.3",
    "OFL-1.1",
    "sha512-9rAwdFTFHbO/u6Cs0gj2jZbW74TGIiaFNQnXYH2s5wA1bzVkwbaviL4t8YUV642eGYjg86eH6DkAEQmfNHDncQ==",
    "LICENSE_FONT",
)

#: What the tests use: path below tests/browser/vendor, its package, and its SHA-256.
USED = {
    "axe.min.js": (AXE, "880970c081707360e64f34cea25ff91892f5bc95675b0776925b9709dd8a68bb"),
    "axe.LICENSE.txt": (AXE, "af175b9d96ee93c21a036152e1b905b0b95304d4ae8c2c921c7609100ba8df7e"),
}
#: What we ship: path below core/static/core, its package, and its SHA-256.
SHIPPED = {
    "vendor/htmx.min.js": (
        HTMX,
        "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130",
    ),
    "vendor/htmx.LICENSE.txt": (
        HTMX,
        "d3d2456f76414f2456104660ebd65aff1c04cd7966b942bdabd63f3cdb316a38",
    ),
    "icons/icons.svg": (ICONS, "7100457b657bd361560c4e2fb16e782654109ce1a3f24fcb10e42dd2b733802e"),
    "icons/icons.LICENSE.txt": (
        ICONS,
        "b740a1d46122672da62833e97f7e7c8a13fa85cbc7445b584b297cc00dde93db",
    ),
}
#: What documents are printed with: path below core/documents/fonts.
PRINTED = {
    "NotoSansSC-Regular.ttf": (
        NOTO,
        "cdb548b9c0a8fd83424910da4d6daa6ac95f074ea26f2af0328078f02c762328",
    ),
    "NotoSansSC-Bold.ttf": (
        NOTO,
        "6fd9f5d735d179986644a42580d5c4cf5de69d8f7558c5621ae0f2574e72e76f",
    ),
    "NotoSansSC.LICENSE.txt": (
        NOTO,
        "1c05c68c34f9708415aada51f17e1b0092d2cea709bf4a94cd38114f9e73d7d9",
    ),
}
#: Beside GB 2312, Latin 1 and what the font has of Latin Extended A.
MARKS = "‐–—―‘’“”•…‰′″※€₤£¥™№℃→←↑↓−×÷±≈≠≤≥√∞■□●○★☆◆◇㎡㎏㎜㎝㎞㏄Ω〓㈱"
#: Of what people are called, and GB 2312 has not.
NAMES = """
垚犇玥珺璟瑄瑀琤琲琰祎赟昇昉昫昳晔暐暻曈楠榳槿沄沇湉湜溁溦滢瀞炘烜焜熠燚瑜璎琪琬琮琨琚珩珣珂玹玙甯皛皞祯禔禛禤秾稑笙筠粲
絜縯缙翊翎胤苒荞莯菡菀菁萱葳蒨蘅蕤襄訢谖谌轶鄞醴釗铄锟锴镕陟雒雯霈頔颀颉颢飏骁骎骐骞鲲鸢鹍麒黛龢喆堃翀祺佘芈昪玘玚甡劼勍叒吉囧
嫚嫄嬅屾峣嵘嵊彧徳恺慜曌杕枬栢梽棽楀榮樑橦汧沺泃洣涢渌湲溆潆澍澐濬灝焱犟珈珒珖珜珹琇琎琏琭瑗瑨璈璘璞璠璨璩瓅砀硚禩竑緁翥
芃芾茆莜葭薏褚觏詠贇跻郇郜釔铧铱锜锽镠頲顗飔馡骍骢鮦鳯鸮齐龑
"""

ICON_NAMES = """
activity address-book adjustments-horizontal alert-circle alert-triangle apps archive arrow-back-up
arrow-down arrow-forward-up arrow-left arrow-up arrows-sort at bell blockquote bold bolt bookmark brand-wechat
briefcase building building-factory-2 calendar calendar-event cash chart-bar check checkbox
chevron-down chevron-left chevron-right chevron-up circle-check clear-formatting clipboard-check
clock coin-yuan columns-3 copy database-import device-desktop device-mobile dots download edit
external-link eye eye-off file-export file-invoice file-text filter flag git-branch grip-vertical h-2 h-3 headset
help-circle history home inbox info-circle italic key language layout-kanban link list list-numbers
lock logout mail map-pin menu-2 message-circle minus moon package paperclip pin phone photo plug plus
printer qrcode receipt-yuan refresh search selector send settings share shield-lock signature star
sum sun table tag target-arrow tool trash unlink upload user user-plus users world x
"""


def main() -> int:
    """Fetch unless asked only to check; the exit status says whether all hashes are right."""
    if "--check" not in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as folder:
            _write(_fetch(HTMX, Path(folder)), _fetch(ICONS, Path(folder)))
            _write_tested(_fetch(AXE, Path(folder)))
            _write_printed(_fetch(NOTO, Path(folder)))
    files = {STATIC / name: digest for name, (_, digest) in SHIPPED.items()}
    files |= {TESTED / name: digest for name, (_, digest) in USED.items()}
    files |= {FONTS / name: digest for name, (_, digest) in PRINTED.items()}
    wrong = [path for path, digest in files.items() if _sha256(path) != digest]
    for path in wrong:
        print(f"{path.relative_to(ROOT)}: SHA-256 is {_sha256(path)}", file=sys.stderr)
    return 1 if wrong else 0


def _fetch(package: Package, folder: Path) -> Path:
    spec = f"{package.name}@{package.version}"
    command = ["npm", "pack", "--silent", "--pack-destination", str(folder), spec]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    archive = folder / done.stdout.strip().splitlines()[-1]
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if f"sha512-{digest}" != package.integrity:
        raise SystemExit(f"{spec}: the archive's integrity is sha512-{digest}")
    with tarfile.open(archive) as tar:
        target = folder / archive.stem
        tar.extractall(target, filter="data")
    return target / "package"


def _write(htmx: Path, icons: Path) -> None:
    for folder in (VENDOR, STATIC / "icons"):
        folder.mkdir(parents=True, exist_ok=True)
    source_map = re.compile(rb"\n?//# sourceMappingURL=\S+\s*$")
    script = source_map.sub(b"\n", (htmx / "dist/htmx.min.js").read_bytes())
    (VENDOR / "htmx.min.js").write_bytes(script)
    (VENDOR / "htmx.LICENSE.txt").write_bytes((htmx / HTMX.licence_file).read_bytes())
    (STATIC / "icons/icons.svg").write_text(_sprite(icons / "icons/outline"), encoding="utf-8")
    (STATIC / "icons/icons.LICENSE.txt").write_bytes((icons / ICONS.licence_file).read_bytes())
    (VENDOR / "README.md").write_text(_readme(), encoding="utf-8")


def _write_tested(axe: Path) -> None:
    TESTED.mkdir(parents=True, exist_ok=True)
    (TESTED / "axe.min.js").write_bytes((axe / "axe.min.js").read_bytes())
    (TESTED / "axe.LICENSE.txt").write_bytes((axe / AXE.licence_file).read_bytes())
    lines = [*_table(USED), ""]
    (TESTED / "README.md").write_text("\n".join(lines), encoding="utf-8")


def _write_printed(noto: Path) -> None:
    FONTS.mkdir(parents=True, exist_ok=True)
    for source, name in (("400Regular", "Regular"), ("700Bold", "Bold")):
        _subset(noto / source / f"NotoSansSC_{source}.ttf", FONTS / f"NotoSansSC-{name}.ttf")
    (FONTS / "NotoSansSC.LICENSE.txt").write_bytes((noto / NOTO.licence_file).read_bytes())
    held = "The fonts are subsets: GB 2312, Latin, punctuation, and some characters of names."
    (FONTS / "README.md").write_text("\n".join([*_table(PRINTED), "", held, ""]), encoding="utf-8")


#: Tables that setting one line after the other needs not.
_LAYOUT = ("vhea", "vmtx", "GSUB", "GPOS", "GDEF", "BASE", "STAT", "VORG", "gasp")


def _subset(source: Path, target: Path) -> None:
    """The outlines of what is printed in this country, without hints and layout features.

    Of the extra ``dev``: fontTools 4.68.0 wrote what is committed.
    """
    from fontTools.subset import Options, Subsetter
    from fontTools.ttLib import TTFont

    wanted = {*map(chr, range(0x20, 0x180)), *MARKS, *NAMES}
    for high in range(0xA1, 0xF8):
        for low in range(0xA1, 0xFF):
            wanted |= set(bytes((high, low)).decode("gb2312", "ignore"))
    options = Options()
    options.hinting = options.glyph_names = options.legacy_kern = False
    options.layout_features = []
    options.notdef_outline = True
    options.name_IDs = [0, 1, 2, 3, 4, 5, 6, 13, 14]
    options.drop_tables += _LAYOUT
    font = TTFont(source, recalcTimestamp=False)
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=sorted(ord(each) for each in wanted if each.isprintable()))
    subsetter.subset(font)
    font.save(target)


def _sprite(folder: Path) -> str:
    """One SVG with a symbol for each icon; stroke and colour come from the page's CSS."""
    symbols = []
    for name in sorted(ICON_NAMES.split()):
        svg = (folder / f"{name}.svg").read_text(encoding="utf-8")
        paths = re.findall(r'<path d="([^"]+)"', svg)
        drawn = "".join(f'<path d="{path}"/>' for path in paths)
        symbols.append(f'<symbol id="{name}" viewBox="0 0 24 24">{drawn}</symbol>')
    return '<svg xmlns="http://www.w3.org/2000/svg">\n{}\n</svg>\n'.format("\n".join(symbols))


def _table(files: dict[str, tuple[Package, str]]) -> list[str]:
    lines = [
        "# Third-party files",
        "",
        "Written by `tools/vendor.py`, which fetches the pinned packages and checks them.",
        "",
        "| file | package | version | licence |",
        "|---|---|---|---|",
    ]
    for name, (package, _) in files.items():
        row = (f"`{name}`", package.name, package.version, package.licence)
        lines.append("| {} |".format(" | ".join(row)))
    return lines


def _readme() -> str:
    drawn = f"`icons/icons.svg` holds {len(ICON_NAMES.split())} symbols, drawn with a 1.5 stroke."
    return "\n".join([*_table(SHIPPED), "", drawn, ""])


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"


if __name__ == "__main__":
    sys.exit(main())
