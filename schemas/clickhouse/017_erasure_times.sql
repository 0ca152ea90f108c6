-- How often the user was erased: the rows of clicks and alerts that come behind an erasure stand above all of before it.
ALTER TABLE erasures ADD COLUMN IF NOT EXISTS times UInt16;
