-- Who begins behind the last rows asks for the clicks from an offset on: only young parts have any.
ALTER TABLE clicks ADD INDEX IF NOT EXISTS offset_range offset TYPE minmax GRANULARITY 1;
