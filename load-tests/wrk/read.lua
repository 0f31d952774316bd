-- Plain GETs of the URL.
dofile(debug.getinfo(1, 'S').source:match('@(.*/)') .. 'result.lua')
