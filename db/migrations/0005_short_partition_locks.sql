-- Up Migration

-- Makes the partitions of the coming days and months. Rows that came first stay in the default partition.
-- A new partition locks its whole table. Behind a long reader (replay --verify, pg_dump) that wait would hold up every
-- writer: it is given up soon and tried again at the worker's next turn, for which months and days exist ahead.
CREATE OR REPLACE FUNCTION ensure_time_partitions() RETURNS void LANGUAGE plpgsql SET lock_timeout = '200ms' AS $$
DECLARE
  first timestamptz;
BEGIN
  -- In the order in which a writer locks them. One that is in use does not keep the other from being made.
  BEGIN
    FOR month IN 0..2 LOOP
      first := (date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => month)) AT TIME ZONE 'UTC';
      PERFORM ensure_time_partition('slot_ledger', to_char(first AT TIME ZONE 'UTC', 'YYYYMM'), first,
        (first AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC');
    END LOOP;
  EXCEPTION WHEN lock_not_available THEN
    RAISE WARNING 'slot_ledger is in use: its coming partitions are not made yet';
  END;
  BEGIN
    FOR day IN 0..7 LOOP
      first := date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + make_interval(days => day);
      PERFORM ensure_time_partition('applied_commands', to_char(first AT TIME ZONE 'UTC', 'YYYYMMDD'), first, first + interval '1 day');
    END LOOP;
  EXCEPTION WHEN lock_not_available THEN
    RAISE WARNING 'applied_commands is in use: its coming partitions are not made yet';
  END;
END $$;

-- Down Migration

CREATE OR REPLACE FUNCTION ensure_time_partitions() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  first timestamptz;
BEGIN
  -- In the order in which a writer locks them.
  FOR month IN 0..2 LOOP
    first := (date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => month)) AT TIME ZONE 'UTC';
    PERFORM ensure_time_partition('slot_ledger', to_char(first AT TIME ZONE 'UTC', 'YYYYMM'), first,
      (first AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC');
  END LOOP;
  FOR day IN 0..7 LOOP
    first := date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + make_interval(days => day);
    PERFORM ensure_time_partition('applied_commands', to_char(first AT TIME ZONE 'UTC', 'YYYYMMDD'), first, first + interval '1 day');
  END LOOP;
END $$;
