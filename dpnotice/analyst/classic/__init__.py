"""The trade's classic reach formulas, to reproduce somebody else's figure: `dn.classic`.

In: published audiences, insertions, duplications. Out: the figure that each formula gives, with its
known weakness: what cannot be right is refused or warned of, and never mended. For an estimate of
one's own use `estimate_reach`. Audiences are fractions of one universe.
"""

from dpnotice.analyst.classic.curves import ReachCurve as ReachCurve
from dpnotice.analyst.classic.curves import beta_binomial as beta_binomial
from dpnotice.analyst.classic.curves import goerg as goerg
from dpnotice.analyst.classic.curves import hofmans_accumulation as hofmans_accumulation
from dpnotice.analyst.classic.curves import nbd as nbd
from dpnotice.analyst.classic.entropy import maximum_entropy as maximum_entropy
from dpnotice.analyst.classic.inputs import ClassicReach as ClassicReach
from dpnotice.analyst.classic.schedules import OrderedReach as OrderedReach
from dpnotice.analyst.classic.schedules import danaher as danaher
from dpnotice.analyst.classic.schedules import metheringham as metheringham
from dpnotice.analyst.classic.schedules import morgensztern as morgensztern
from dpnotice.analyst.classic.unions import agostini as agostini
from dpnotice.analyst.classic.unions import binomial as binomial
from dpnotice.analyst.classic.unions import hofmans_duplication as hofmans_duplication
from dpnotice.analyst.classic.unions import sainsbury as sainsbury
