-- What wrk sends, and how it says what came of it: wrk -s load.lua URL -- MODE [NUMBER]
-- `same`: the same request each time. `distinct FIRST`: no target and no header block comes twice.
-- `think MILLISECONDS`: the same request, each connection pausing about that long before each.

local pieces, number, pause

local function distinct_request()
   number = number + 1
   return table.concat(pieces, number)
end

-- Pauses are whole milliseconds and exponentially distributed, so that requests come as those of many people do.
local function think()
   local wanted = -math.log(1 - math.random()) * pause
   local whole = math.floor(wanted)
   return math.random() < wanted - whole and whole + 1 or whole
end

function init(args)
   if args[1] == "distinct" then
      number = tonumber(args[2])
      wrk.headers["Referer"] = "https://example.org/lab/tree/notebook-NUMBER.ipynb"
      wrk.headers["X-Request-Id"] = "request-NUMBER"
      wrk.headers["Cookie"] = wrk.headers["Cookie"] .. "; seen=NUMBER"
      local text = wrk.format("GET", "/api/contents/NUMBER?since=NUMBER") .. "NUMBER"
      pieces = {}
      for piece in text:gmatch("(.-)NUMBER") do
         pieces[#pieces + 1] = piece
      end
      request = distinct_request
   elseif args[1] == "think" then
      pause = tonumber(args[2])
      math.randomseed(1)
      delay = think
   end
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      'RESULT {"requests": %d, "seconds": %.6f, "broken": %d, "refused": %d, "p50": %.9f, "p99": %.9f}\n',
      summary.requests, summary.duration / 1e6,
      errors.connect + errors.read + errors.write + errors.timeout, errors.status,
      latency:percentile(50) / 1e6, latency:percentile(99) / 1e6))
end
