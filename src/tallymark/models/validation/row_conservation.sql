-- One row per step at which rows or money are lost or made without a reason.
select step, measure, difference, explained
from reconciliation
where difference <> explained
