-- Up Migration

-- Settings that every API process follows while it runs. Each change is a new row; the newest is in force, and the last
-- thousand are kept. `settings` has what overrides the environment of the processes, and nothing else.
-- Writers lock the table against each other, so that a newer version is never committed before an older one.
CREATE TABLE runtime_settings (
  version bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  settings jsonb NOT NULL CHECK (jsonb_typeof(settings) = 'object'),
  changed_by text NOT NULL,
  changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  note text
);

-- Down Migration

DROP TABLE runtime_settings;
