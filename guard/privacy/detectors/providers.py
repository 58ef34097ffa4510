r"""The forms of credentials that providers publish: each begins with letters that nothing else begins with.

Most are facts of two lists that are kept up to date, with lower bounds for lengths, so that a key of a newer length is
found too: gitleaks, config/gitleaks.toml at commit 009e025 (MIT, © 2019 Zachary Rice; its licence is in `LICENSE.gitleaks`
beside this file), and detect-secrets 1.5.0 (Apache-2.0, © Yelp). No list stands behind those that neither has, which are
written after keys as they look: Replicate, Groq, xAI, NVIDIA, Weights & Biases, LangSmith, Langfuse, Pinecone, Docker,
Supabase and Figma; Google's OAuth tokens and client secrets, Databricks' dkea and dose, Notion's secret_, Stripe's pk_ and
whsec_.
"""

from typing import Final

KEY: Final = "[A-Za-z0-9_-]"
PROVIDERS: Final[dict[str, str]] = {
    # models and data
    "hugging face": r"hf_[A-Za-z0-9]{30,64}|api_org_[A-Za-z0-9]{30,64}",
    "openai, anthropic, openrouter, deepseek": rf"sk-{KEY}{{16,255}}",
    "replicate": r"r8_[A-Za-z0-9]{30,64}",
    "groq": r"gsk_[A-Za-z0-9]{30,80}",
    "xai": r"xai-[A-Za-z0-9]{40,100}",
    "perplexity": r"pplx-[A-Za-z0-9]{40,64}",
    "nvidia": rf"nvapi-{KEY}{{40,100}}",
    "databricks": r"d(?:api|kea|ose)[a-f0-9]{32}(?:-[0-9])?",
    "weights & biases": r"wandb_v1_[A-Za-z0-9_]{40,100}",
    "langsmith": r"lsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}",
    "langfuse": r"pk-lf-[0-9a-f-]{36}",
    "pinecone": r"pcsk_[A-Za-z0-9_]{30,100}",
    "prefect": r"pnu_[A-Za-z0-9]{36}",
    # code and packages
    "github": r"gh[oprsu]_[A-Za-z0-9]{20,255}|github_pat_[A-Za-z0-9_]{20,255}",
    "gitlab": rf"gl(?:pat|dt|ft|soat|rt|cbt|imt|ptt|agent|oas|ffct)-{KEY}{{20,255}}"
    rf"|GR1348941{KEY}{{20,50}}",
    "npm": r"npm_[A-Za-z0-9]{30,64}",
    "pypi": rf"pypi-AgE[A-Za-z0-9]{KEY}{{30,1000}}",
    "rubygems": r"rubygems_[a-f0-9]{48}",
    "docker": rf"dckr_(?:pat|oat)_{KEY}{{20,64}}",
    "artifactory": r"AKC[a-zA-Z0-9]{40,80}",
    "sonar, sourcegraph": r"sq[pua]_[a-f0-9]{40}|sgp_(?:[a-fA-F0-9]{16}_|local_)?[a-fA-F0-9]{40}",
    # clouds
    "aws": r"A(?:3T[A-Z0-9]|KIA|SIA|BIA|CCA)[A-Z0-9]{16}(?![A-Za-z0-9])",
    "google": rf"AIza{KEY}{{30,64}}|ya29\.{KEY}{{20,512}}|GOCSPX-{KEY}{{28}}",
    "azure": r"Q~(?<=[A-Za-z0-9_~.]{3}[0-9]Q~)[A-Za-z0-9_~.-]{31,34}",
    "digitalocean": r"do[opr]_v1_[a-f0-9]{64}",
    "alibaba": r"LTAI[A-Za-z0-9]{16,24}(?![A-Za-z0-9])",
    "heroku, fly, vercel": rf"HRKU-{KEY}{{36,64}}|fo1_{KEY}{{43}}|fm[12][ar]?_[a-zA-Z0-9+/]{{100,1000}}",
    "vault, terraform, pulumi, doppler": rf"hv[bsr]\.{KEY}{{90,300}}"
    rf"|\.atlasv1\.(?<=[A-Za-z0-9]{{14}}\.atlasv1\.){KEY}{{60,70}}"
    r"|pul-[a-f0-9]{40}|dp\.(?:pt|st|sa|ct)\.[A-Za-z0-9]{40,44}",
    "kubernetes": rf"sha256~{KEY}{{43}}",
    "planetscale, supabase": r"pscale_(?:tkn|oauth|pw)_[A-Za-z0-9_=.-]{32,64}"
    r"|sbp_[a-f0-9]{40}|sb_secret_[A-Za-z0-9_-]{20,64}",
    # messages and payments
    "slack": r"xox[abeoprs]-[A-Za-z0-9-]{10,255}|xapp-[0-9]-[A-Za-z0-9-]{20,255}|xoxe\.xox[bp]-[0-9]-[A-Za-z0-9]{100,255}",
    "slack webhook": r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{20,80}",
    "stripe": r"sk_(?:live|test|prod)_[A-Za-z0-9]{10,255}"
    r"|rk_(?:live|test|prod)_[A-Za-z0-9]{10,255}|pk_(?:live|test)_[A-Za-z0-9]{10,255}"
    r"|whsec_[A-Za-z0-9+/]{24,80}",
    "twilio": r"SK[0-9a-f]{32}(?![A-Za-z0-9])|AC[0-9a-f]{32}(?![A-Za-z0-9])",
    "sendgrid": rf"SG\.{KEY}{{16,64}}\.{KEY}{{16,64}}",
    "mailchimp, brevo, mailgun": r"-us(?<=[0-9a-f]{32}-us)[0-9]{1,2}|xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}|key-[0-9a-f]{32}",
    "square, shopify": rf"sq0(?:csp|atp|idp)-{KEY}{{22,60}}|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{{32}}",
    "telegram, discord": rf":AA(?<=[0-9]{{8}}:AA){KEY}{{33}}"
    rf"|\.{KEY}{{6}}\.(?<=[A-Za-z0-9_-]{{23}}\.{KEY}{{6}}\.){KEY}{{27,38}}(?!{KEY})",
    # tools
    "atlassian, notion, linear, postman, figma": r"ATATT3[A-Za-z0-9_=-]{40,255}"
    r"|ntn_[A-Za-z0-9]{43,50}|secret_[A-Za-z0-9]{43,50}"
    r"|lin_api_[A-Za-z0-9]{32,48}|PMAK-[a-f0-9]{24}-[a-f0-9]{34}|figd_[A-Za-z0-9_-]{40,64}",
    "grafana, new relic, sentry": r"gl(?:c|sa)_[A-Za-z0-9+/_]{32,400}|NR(?:AK|II|JS)-[A-Za-z0-9]{19,32}"
    r"|sntry[su]_[A-Za-z0-9+/=_]{40,400}",
    "1password, age": r"ops_eyJ[a-zA-Z0-9+/]{200,1000}|A3-[A-Z0-9]{6}-[A-Z0-9-]{20,40}|AGE-SECRET-KEY-1[A-Z0-9]{58}",
}  # fmt: skip
"""A pattern by provider. Each alternative begins with a certain letter, so that a search is fast; where that is not the
first of the key, what stands before it belongs to the key too."""
