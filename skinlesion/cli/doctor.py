"""doctor: what to paste into a bug report."""

from __future__ import annotations

from skinlesion.cli.options import AsJson


def doctor(as_json: AsJson = False) -> None:
    """Versions, devices, weights, extras and a short self-test; exit 6 if the test fails."""
    import json

    from skinlesion.commands import doctor as command
    from skinlesion.errors import QualityGateError

    report = command.run()
    print(json.dumps(report, indent=2) if as_json else command.to_text(report))
    if not command.is_well(report):
        raise QualityGateError(
            "the self-test failed", fix="see the lines above that say FAILED; paste them all"
        )
