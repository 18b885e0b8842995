"""The REST API for programs: orders in minor units, errors as everywhere.

Owns: `Token`, `Answer` (to a request that may be repeated), `/api/v1/...` and its OpenAPI document.
The same calls as the pages of `storefront` make.
"""
