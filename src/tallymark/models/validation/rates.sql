-- One row per rate whose numerator is no part of its denominator.
select date, metric, segment
from metrics_daily
where denominator is not null
    and metric not in ('aov')
    and (numerator > denominator or numerator < 0)
