-- Rows that went in and did not come out: any step that does not reconcile.
select step, measure, difference, explained
from reconciliation
where difference <> explained
