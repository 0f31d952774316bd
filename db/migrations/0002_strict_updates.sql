-- Up Migration

-- Fails unless a batch changed as many rows as it named: an update that hits no row would lose a decision in silence.
CREATE FUNCTION require_rows(of_table text, changed bigint, wanted bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF changed <> wanted THEN
    RAISE EXCEPTION 'only % of % rows of % are there to be changed', changed, wanted, of_table
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
END $$;

-- Down Migration

DROP FUNCTION require_rows;
