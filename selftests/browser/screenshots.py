"""Pictures of the made-up reports for docs/: `python -m selftests.browser.screenshots`."""

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from selftests.browser.chromium import Tab, chromium
from selftests.browser.madeup import RUNS, page

DOCS = Path(__file__).resolve().parents[2] / "docs"
SIZES = {"desk": (1280, 800), "phone": (390, 844)}
MOST_BYTES = 150_000


def main() -> int:
    """Write a PNG of each run at each size. Returns 1 when one is too big to be kept, 2 without chromium."""
    program = shutil.which("chromium")
    if program is None:
        print("chromium is not installed (Debian's package chromium)", file=sys.stderr)
        return 2
    status = 0
    DOCS.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder, chromium(program) as browser:
        for name in RUNS:
            report = Path(folder) / "report.html"
            report.write_text(page(name), encoding="utf-8")
            for size, (width, height) in SIZES.items():
                tab = Tab(browser, width, height)
                tab.open(report)
                png = tab.picture()
                tab.close()
                (DOCS / f"report-{name}-{size}.png").write_bytes(png)
                print(f"docs/report-{name}-{size}.png: {len(png):,} bytes")
                if len(png) > MOST_BYTES:
                    status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
