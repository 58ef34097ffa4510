"""Put this checkout on the environment's path, with its command: an editable install that needs no build tool."""

import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMAND = f"#!{sys.executable}\nimport sys\nfrom guard.cli import main\nsys.exit(main())\n"

site = Path(sysconfig.get_path("purelib"))
(site / "guard-checkout.pth").write_text(f"{ROOT}\n", encoding="utf-8")
script = Path(sysconfig.get_path("scripts")) / "guard"
script.write_text(COMMAND, encoding="utf-8")
script.chmod(0o755)
