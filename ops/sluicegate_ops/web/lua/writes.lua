-- Whether the server takes writes; nothing is changed.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: 1; a server that refuses writes answers an error.
-- Keys touched: ready, which no account has.
--
-- A replica refuses it, and so does a server whose persistence fails, but none for want of memory:
-- receipts are still taken then.
redis.call('UNLINK', part('sluicegate.account').key('ready'))
return 1
