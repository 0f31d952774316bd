-- Up Migration

-- Keys of machines. Of the secret, 256 random bits, only its SHA-256 is kept: a slow and salted hash would protect what can
-- be guessed. `user_id` is whom the key acts for; one that acts for nobody owns nothing, so `reserve` alone would be no use.
CREATE TABLE api_keys (
  id text PRIMARY KEY CHECK (id ~ '^[0-9a-f]{16}$'),
  name text NOT NULL,
  secret_sha256 bytea NOT NULL CHECK (length(secret_sha256) = 32),
  scopes text[] NOT NULL,
  user_id text,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  CONSTRAINT known_scopes CHECK (cardinality(scopes) > 0 AND scopes <@ '{reserve,operate,admin}'),
  CONSTRAINT acts_for_somebody CHECK (user_id IS NOT NULL OR scopes && '{operate,admin}'),
  CONSTRAINT expires_later CHECK (expires_at > created_at)
);

-- Down Migration

DROP TABLE api_keys;
