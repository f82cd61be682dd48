-- Runs, their units of work chained by digest, the records of each unit, reports and library pages.

CREATE TABLE run (
  id TEXT NOT NULL PRIMARY KEY,
  number BIGINT NOT NULL UNIQUE,
  scope_sha256 TEXT NOT NULL,
  vantage TEXT NOT NULL,
  organisation TEXT NOT NULL,
  version TEXT NOT NULL,
  started TEXT NOT NULL,
  finished TEXT,
  resumed BIGINT NOT NULL,
  chain_head TEXT NOT NULL,
  chain_length BIGINT NOT NULL
);

CREATE TABLE unit (
  run_id TEXT NOT NULL REFERENCES run (id),
  stage TEXT NOT NULL,
  name TEXT NOT NULL,
  seq BIGINT NOT NULL,
  records BIGINT NOT NULL,
  payload_sha256 TEXT NOT NULL,
  previous TEXT NOT NULL,
  digest TEXT NOT NULL,
  PRIMARY KEY (run_id, stage, name),
  UNIQUE (run_id, seq)
);

CREATE TABLE record (
  run_id TEXT NOT NULL,
  type TEXT NOT NULL,
  stage TEXT NOT NULL,
  unit TEXT NOT NULL,
  number BIGINT NOT NULL,
  json TEXT NOT NULL,
  PRIMARY KEY (run_id, stage, unit, number)
);

CREATE INDEX record_type ON record (run_id, type, stage, unit, number);

CREATE TABLE investigation (
  run_id TEXT NOT NULL PRIMARY KEY REFERENCES run (id),
  sha256 TEXT NOT NULL,
  json TEXT NOT NULL
);

CREATE TABLE page (
  uid TEXT NOT NULL PRIMARY KEY,
  json TEXT NOT NULL
);
