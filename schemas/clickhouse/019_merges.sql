-- Parts of one flush are small, and ClickHouse takes small ones for 5 MB each: with the usual base of 5 the youngest part
-- of a table was merged again with every few inserts. At 9 parts the usual steps begin, so there are hardly more.
ALTER TABLE clicks MODIFY SETTING merge_selector_base = 9;
ALTER TABLE rejects MODIFY SETTING merge_selector_base = 9;
ALTER TABLE sessions MODIFY SETTING merge_selector_base = 9;
ALTER TABLE users MODIFY SETTING merge_selector_base = 9;
ALTER TABLE user_days MODIFY SETTING merge_selector_base = 9;
ALTER TABLE alerts MODIFY SETTING merge_selector_base = 9;
ALTER TABLE deliveries MODIFY SETTING merge_selector_base = 9;
ALTER TABLE progress MODIFY SETTING merge_selector_base = 9;
