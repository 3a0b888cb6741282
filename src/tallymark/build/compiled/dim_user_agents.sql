-- One row per distinct user agent: as the seed has it, else by the words in it.
with agents as (
    select distinct user_agent, lower(user_agent) as words
    from landed
    where user_agent is not null
),

bots as (
    select
        agents.user_agent as user_agent,
        seed_bots.name as name,
        seed_bots.category as category,
        row_number() over (
            partition by agents.user_agent order by seed_bots.place nulls first
        ) as turn
    from agents
    inner join seed_bots on contains(agents.words, seed_bots.word)
)

select
    agents.user_agent as user_agent,
    key_of(agents.user_agent) as agent_id,
    coalesce(seed_user_agents.device, case
        when bots.name is not null then 'bot'
        when contains(agents.words, 'ipad') or contains(agents.words, 'tablet')
            or contains(agents.words, 'kindle') or contains(agents.words, 'silk/') then 'tablet'
        when contains(agents.words, 'mobile') or contains(agents.words, 'iphone')
            or contains(agents.words, 'ipod') or contains(agents.words, 'opera mini') then 'mobile'
        when contains(agents.words, 'android') then 'tablet'
        when contains(agents.words, 'windows nt') or contains(agents.words, 'macintosh')
            or contains(agents.words, 'x11') or contains(agents.words, 'cros ')
            or contains(agents.words, 'linux') then 'desktop'
        else 'other'
    end) as device,
    coalesce(seed_user_agents.browser, bots.name, 'Other') as browser,
    coalesce(seed_user_agents.os, 'Other') as os,
    coalesce(seed_user_agents.is_bot, bots.name is not null) as is_bot,
    case
        when seed_user_agents.user_agent is not null then seed_user_agents.bot_name
        else bots.name
    end as bot_name,
    case
        when seed_user_agents.user_agent is not null then seed_user_agents.bot_category
        else bots.category
    end as bot_category
from agents
left join seed_user_agents on agents.user_agent = seed_user_agents.user_agent
left join bots on agents.user_agent = bots.user_agent and bots.turn = 1
