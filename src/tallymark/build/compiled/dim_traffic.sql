-- One row per distinct way to land: its source, medium and channel, and the rule that decided.
with landings as (
    select distinct traffic_key, utm_source, utm_medium, utm_campaign, click_id_kind, partner,
        referrer_host, page_host, landing_seen, referrer_collected
    from int_landings
),

cleaned as (
    select traffic_key, landing_seen, referrer_collected, utm_campaign,
        :source as source,
        :medium as medium,
        :campaign as campaign,
        coalesce(click_id_kind, '') as click,
        coalesce(lower(trim(partner)), '') as partner,
        coalesce(lower(trim(referrer_host)), '') as referrer,
        coalesce(page_host, '') as page
    from landings
),

tagged as (
    select traffic_key, landing_seen, referrer_collected, utm_campaign, source, medium, campaign,
        click, partner, referrer, page,
        case
            when place(source, '://') > 0 then :tag_host
            when place(source, '.') > 0 then :tag_bare
            else ''
        end as tag_host
    from cleaned
),

hosts as (
    select distinct tag_host as host from tagged where tag_host <> ''
    union
    select distinct referrer as host from tagged where referrer <> ''
    union
    select distinct page as host from tagged where page <> ''
),

-- The labels of a host from the right: its ending, and what somebody registered below it.
labels as (
    select
        host,
        backwards(part(backwards(host), '.', 1)) as last_label,
        backwards(part(backwards(host), '.', 2)) as second_label,
        backwards(part(backwards(host), '.', 3)) as third_label
    from hosts
),

pairs as (
    select
        labels.host as host,
        labels.last_label as last_label,
        concat(labels.second_label, '.', labels.last_label) as two_labels,
        labels.second_label as second_label,
        labels.third_label as third_label,
        coalesce(seed_endings.kind, '') as ending_kind
    from labels
    left join seed_endings
        on concat(labels.second_label, '.', labels.last_label) = seed_endings.ending
),

stems as (
    select
        host,
        case
            when second_label = '' or try_money(last_label) is not null then host
            when ending_kind = '' then two_labels
            when third_label = '' then host
            else concat(third_label, '.', two_labels)
        end as registered,
        case
            when ending_kind = 'country' then two_labels
            when ending_kind = 'hosting' then ''
            when last_label in (:generic) then last_label
            when length(last_label) = 2 and last_label >= 'aa' and last_label <= 'zz'
                then last_label
            else ''
        end as ending,
        case
            when ending_kind = 'country'
                then substr(host, 1, length(host) - length(two_labels) - 1)
            when ending_kind = 'hosting' then ''
            when last_label in (:generic)
                or (length(last_label) = 2 and last_label >= 'aa' and last_label <= 'zz')
                then substr(host, 1, length(host) - length(last_label) - 1)
            else ''
        end as stem
    from pairs
),

-- What the longest entry of the lists says of a host.
listed as (
    select
        stems.host as host,
        seed_sources.kind as kind,
        seed_sources.name as name,
        row_number() over (
            partition by stems.host
            order by
                seed_sources.turn nulls first,
                case
                    when seed_sources.is_open = 'y'
                        then length(seed_sources.entry) + 1 + length(stems.ending)
                    else length(seed_sources.entry)
                end desc nulls first,
                seed_sources.is_open nulls first
        ) as turn
    from stems
    inner join seed_sources
        on (seed_sources.is_open = 'y' or place(seed_sources.entry, '.') > 0) and :covers_source
),

words as (
    select
        entry,
        kind,
        name,
        row_number() over (partition by entry order by turn nulls first) as turn
    from seed_sources
    where is_open = 'n' and place(entry, '.') = 0
),

returns as (
    select distinct stems.host as host
    from stems
    inner join seed_returns on :covers_return
),

same_platforms as (
    select distinct seed_platforms.platform as platform, seed_platforms.entry as word,
        cast(null as varchar) as host
    from seed_platforms
    where seed_platforms.is_open = 'n' and place(seed_platforms.entry, '.') = 0
    union all
    select distinct seed_platforms.platform as platform, cast(null as varchar) as word,
        stems.host as host
    from stems
    inner join seed_platforms on (
        seed_platforms.is_open = 'y' or place(seed_platforms.entry, '.') > 0
    ) and :covers_platform
),

platforms as (
    select distinct platform from seed_platforms
),

looked_up as (
    select
        tagged.traffic_key as traffic_key,
        tagged.landing_seen as landing_seen,
        tagged.referrer_collected as referrer_collected,
        tagged.utm_campaign as utm_campaign,
        tagged.source as source,
        tagged.medium as medium,
        tagged.campaign as campaign,
        tagged.click as click,
        tagged.partner as partner,
        tagged.referrer as referrer,
        coalesce(words.kind, of_tag.kind, '') as source_kind,
        coalesce(of_referrer.kind, 'other') as referrer_kind,
        of_referrer.name as referrer_name,
        tagged.referrer <> '' and (
            returns.host is not null
            or coalesce(referrer_stem.registered = page_stem.registered, false)
        ) as own,
        coalesce(seed_clicks.source, '') as click_source,
        coalesce(seed_clicks.medium, '') as click_medium,
        coalesce(seed_clicks.source_kind, '') as click_kind,
        seed_clicks.channel as click_channel,
        seed_clicks.name is not null and (
            tagged.source = '' or platforms.platform is null
            or by_word.platform is not null or by_host.platform is not null
        ) as ours
    from tagged
    left join words on tagged.source = words.entry and words.turn = 1
    left join listed as of_tag on tagged.tag_host = of_tag.host and of_tag.turn = 1
    left join listed as of_referrer
        on tagged.referrer = of_referrer.host and of_referrer.turn = 1
    left join returns on tagged.referrer = returns.host
    left join stems as referrer_stem on tagged.referrer = referrer_stem.host
    left join stems as page_stem on tagged.page = page_stem.host
    left join seed_clicks on tagged.click = seed_clicks.name
    left join platforms on seed_clicks.source = platforms.platform
    left join same_platforms as by_word
        on seed_clicks.source = by_word.platform and tagged.source = by_word.word
    left join same_platforms as by_host
        on seed_clicks.source = by_host.platform and tagged.tag_host = by_host.host
),

tags as (
    select traffic_key, landing_seen, referrer_collected, utm_campaign, source, medium, campaign,
        click, partner, referrer, source_kind, referrer_kind, referrer_name, own, click_source,
        click_medium, click_channel, ours,
        case when source_kind <> '' then source else click_source end as who,
        case when source_kind <> '' then source_kind else click_kind end as who_kind
    from looked_up
),

asked as (
    select traffic_key, landing_seen, referrer_collected, utm_campaign, source, medium, campaign,
        click, partner, referrer, referrer_kind, referrer_name, own, click_source, click_medium,
        click_channel, ours,
        source <> '' or medium <> '' or campaign <> '' as is_tagged,
        :rule_tags as rule_tags,
        :rule_medium as rule_medium,
        :rule_click as rule_click
    from tags
),

-- 1: tags whose medium is silent, told by the platform's own click id; 2: tags; 3: a partner;
-- 4: a click id; 5: an own or payment host; 6: a referrer; 7: no evidence; 8: nothing at all.
sorted as (
    select traffic_key, landing_seen, referrer_collected, source, medium, campaign, click, partner,
        referrer, referrer_kind, referrer_name, own, click_source, click_medium, click_channel,
        rule_tags,
        case when campaign <> '' then trim(utm_campaign) end as said_campaign,
        :channel_tags as channel_tags,
        :channel_click as channel_click,
        :clicked_kind as kind_channel,
        :referrer_channel as referrer_channel,
        :referrer_medium as referrer_medium,
        case
            when is_tagged and ours and rule_medium is null and rule_click is not null
                and (:channel_tags is null or :channel_tags <> :channel_click) then 1
            when is_tagged then 2
            when partner <> '' then 3
            when click_source <> '' then 4
            when own then 5
            when referrer <> '' then 6
            when not referrer_collected or not landing_seen then 7
            else 8
        end as question
    from asked
),

answered as (
    select traffic_key, click, partner, referrer,
        question,
        case
            when question = 1 and source <> '' then source
            when question = 1 then click_source
            when question = 2 and source <> '' then source
            when question = 3 then partner
            when question = 4 and referrer_name is not null and not own
                and kind_channel = click_channel then referrer_name
            when question = 4 then click_source
            when question = 6 and referrer_name is not null and referrer_kind <> 'other'
                then referrer_name
            when question = 6 and starts_with(referrer, 'www.') then substr(referrer, 5)
            when question = 6 then referrer
            when question = 8 then '(direct)'
            else '(not set)'
        end as source,
        case
            when question = 1 and medium <> '' then medium
            when question in (1, 4) then click_medium
            when question = 2 and medium <> '' then medium
            when question = 3 then 'affiliate'
            when question = 6 then referrer_medium
            when question = 8 then '(none)'
            else '(not set)'
        end as medium,
        case when question in (1, 2) then said_campaign end as campaign,
        coalesce(lower(case when question in (1, 2) then said_campaign end), '')
            as said_campaign,
        case
            when question = 1 then channel_click
            when question = 2 and rule_tags is not null then channel_tags
            when question = 2 and partner <> '' then 'Affiliates'
            when question = 2 then 'Unassigned'
            when question = 3 then 'Affiliates'
            when question = 4 then click_channel
            when question = 6 then referrer_channel
            when question = 8 then 'Direct'
            else 'Unknown'
        end as channel,
        case
            when question in (1, 4) then concat('click_id:', click)
            when question = 2 and rule_tags is not null then rule_tags
            when question = 2 and partner <> '' then 'partner_parameter'
            when question = 2 then 'unassigned'
            when question = 3 then 'partner_parameter'
            when question = 5 then 'own_or_payment_host'
            when question = 6 and referrer_name is not null and referrer_kind <> 'other'
                then concat('referrer_', referrer_kind)
            when question = 6 then 'referrer'
            when question = 7 and not referrer_collected then 'referrer_not_collected'
            when question = 7 then 'landing_not_seen'
            else 'direct'
        end as rule
    from sorted
),

-- A rule of the shop's own is asked before all of these.
decided as (
    select
        answered.traffic_key as traffic_key,
        answered.question as question,
        answered.referrer as referrer,
        answered.source as source,
        answered.medium as medium,
        answered.campaign as campaign,
        answered.channel as channel,
        answered.rule as rule,
        :own_rule as own_rule
    from answered
)

select
    decided.traffic_key as traffic_key,
    case
        when decided.own_rule is not null and decided.question = 5
            and starts_with(decided.referrer, 'www.') then substr(decided.referrer, 5)
        when decided.own_rule is not null and decided.question = 5 then decided.referrer
        else decided.source
    end as source,
    case
        when decided.own_rule is not null and decided.question = 5 then 'referral'
        else decided.medium
    end as medium,
    decided.campaign as campaign,
    coalesce(:own_channel, decided.channel) as channel,
    coalesce(decided.own_rule, decided.rule) as rule,
    decided.question = 5 and decided.own_rule is null as inherits
from decided
