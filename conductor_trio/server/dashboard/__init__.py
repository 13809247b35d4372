"""The operator's dashboard in the browser: what `conductor-trio-server ls`, `top` and `end` show and do, live.

`console` answers what is addressed to its host name, as `entrance` rules, with the page that `page` makes of the
files beside it. `sessions` has all sessions as rows, looked at anew while somebody looks, `overview` the rest;
`updates` makes both once for all dashboards that are open, and a `desk` sends to one of them what has changed.
What an operator does goes through `acts` to `server.admin.service`, as a command does.

May import `server.admin` and what lies below. Never here: a decision about a command, an application's bytes.

Begin with `entrance`.
"""
