"""The monitors as a Spidermon suite.

Of Spidermon it is the suite and its runner that are used: each monitor is asked on its own, and one
that raises is told and keeps no other from its turn. Its extension runs on Scrapy 2.19, too, and may
run suites of yours beside this one. But it judges before the last file is complete or after the
manifest is written, logs some thirty lines and a traceback for a monitor that fails (by a method that
Scrapy deprecates), and waits for no action. Its mail needs premailer, which comes with an extra of
twelve packages, and a password also where the server wants none; it puts the message with its headers
into the body, and goes through `scrapy.mail`, which Scrapy 2.19 deprecates.
"""

from collections.abc import Iterable, Sequence

from spidermon import Monitor, MonitorSuite  # type: ignore[import-untyped]
from spidermon.runners import MonitorRunner  # type: ignore[import-untyped]

from rfinews.figures import Figures
from rfinews.monitors import RULES, Limits, NotJudged


class RuleMonitor(Monitor):  # type: ignore[misc]
    """Asks the rule of its name."""

    longMessage = False  # the rule's line and no more

    def test_rule(self) -> None:
        """The rule has nothing to say."""
        rule = RULES[self.monitor_name]
        try:
            message = rule(self.data.figures, self.data.history, self.data.limits)
        except NotJudged as reason:
            self.skipTest(str(reason))
        if message is not None:
            self.fail(message)


def ask(
    names: Iterable[str], figures: Figures, history: Sequence[Figures], limits: Limits
) -> dict[str, str | NotJudged | None]:
    """Ask the monitors of these names; return what each says: a line if it fails."""
    suite = MonitorSuite(monitors=[RuleMonitor("test_rule", name=name) for name in names])
    result = MonitorRunner().run(suite, figures=figures, history=history, limits=limits)
    said: dict[str, str | NotJudged | None] = {}
    for each in result.monitor_results:
        name = each.monitor.monitor_name
        if each.status == "SKIPPED":
            said[name] = NotJudged(each.reason)
        elif each.status == "ERROR":  # ours to mend
            said[name] = f"the monitor is broken: {each.error.strip().splitlines()[-1]}"
        else:
            said[name] = each.reason
    return said
