"""The API's machinery, the same for every resource: HTTP, hosts, keys, parameters, routes, expand."""
