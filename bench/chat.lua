-- wrk's side of the calls: sends requests over and over and checks every answer.
-- Arguments: the file with the request's body; the file with the answer's body; a file with a path and a key on each
-- line, of which each request takes the next (empty: all requests are the same); the milliseconds that a connection
-- waits before each request; then name and value of each header.

local threads = {}

function setup(thread)
   table.insert(threads, thread)
end

local function contents(path)
   local file = assert(io.open(path, "rb"))
   local text = file:read("*a")
   file:close()
   return text
end

local function varied(path)
   local requests = {}
   for line in io.lines(path) do
      local target, key = string.match(line, "^(%S+) (%S+)$")
      wrk.headers["apikey"] = key
      table.insert(requests, wrk.format(nil, target))
   end
   return requests
end

function init(args)
   wrk.method = "POST"
   wrk.body = contents(args[1])
   expected = contents(args[2])
   for i = 5, #args, 2 do
      wrk.headers[args[i]] = args[i + 1]
   end
   local requests, turn = varied(args[3]), 0
   if #requests > 0 then
      request = function()
         turn = turn % #requests + 1
         return requests[turn]
      end
   end
   local pause = tonumber(args[4])
   if pause > 0 then
      delay = function()
         return pause
      end
   end
   wrong = 0
   sample = ""
end

function response(status, headers, body)
   if status ~= 200 or body ~= expected then
      wrong = wrong + 1
      if sample == "" then
         sample = status .. " " .. string.sub(body, 1, 300)
      end
   end
end

local function quoted(text)
   return '"' .. string.gsub(text, '[%c"\\]', ".") .. '"'
end

function done(summary, latency, requests)
   local wrong, sample = 0, ""
   for _, thread in ipairs(threads) do
      wrong = wrong + thread:get("wrong")
      if sample == "" then
         sample = thread:get("sample")
      end
   end
   local errors = summary.errors
   print(string.format(
      '\n{"requests": %d, "duration_us": %d, "p50_us": %d, "p99_us": %d, "wrong": %d, "sample": %s, ' ..
      '"errors": {"connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d}}',
      summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), wrong, quoted(sample),
      errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
