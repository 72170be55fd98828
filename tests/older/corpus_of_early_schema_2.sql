-- Made by the code of commit 0becb4a: exports of Discord and WhatsApp and one person's lines, two accounts merged, one renamed, one forgotten.
PRAGMA user_version = 2;
BEGIN TRANSACTION;
CREATE TABLE accounts (
    id INTEGER PRIMARY KEY, platform TEXT NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL,
    shown_name TEXT NOT NULL, given_name TEXT, person INTEGER REFERENCES accounts,
    UNIQUE (platform, key));
INSERT INTO "accounts" VALUES(1,'discord','11','ada','Ada',NULL,NULL);
INSERT INTO "accounts" VALUES(2,'discord','12','bo','bo',NULL,NULL);
INSERT INTO "accounts" VALUES(3,'discord','13','DiceBot','DiceBot',NULL,NULL);
INSERT INTO "accounts" VALUES(4,'discord','14','cy','cy',NULL,NULL);
INSERT INTO "accounts" VALUES(5,'lines','Bo','Bo','Bo',NULL,2);
INSERT INTO "accounts" VALUES(6,'whatsapp','Ville','Ville','Ville','Ville V.',NULL);
CREATE TABLE chats (
    id INTEGER PRIMARY KEY, platform TEXT NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL,
    UNIQUE (platform, key));
INSERT INTO "chats" VALUES(1,'discord','200000000000000002','Café Größenwahn / plauderei');
INSERT INTO "chats" VALUES(2,'lines','Bo','lines of Bo');
INSERT INTO "chats" VALUES(3,'whatsapp','ville','Ville');
CREATE TABLE files (digest TEXT PRIMARY KEY, report TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE forgotten (digest TEXT PRIMARY KEY) WITHOUT ROWID;
INSERT INTO "forgotten" VALUES('c1c8e9aaa8c6bda0e490a7eeb9533bd3');
CREATE TABLE messages (
    id INTEGER PRIMARY KEY, chat INTEGER NOT NULL REFERENCES chats,
    account INTEGER NOT NULL REFERENCES accounts, key TEXT NOT NULL, kind TEXT NOT NULL,
    sent_ms INTEGER NOT NULL, offset_seconds INTEGER NOT NULL, edited_ms INTEGER,
    text TEXT NOT NULL, reply_to TEXT, attachments INTEGER NOT NULL, forwarded INTEGER NOT NULL,
    UNIQUE (chat, key));
INSERT INTO "messages" VALUES(1,1,1,'300000000000000001','system',1767261600000,0,NULL,'Joined the server.',NULL,0,0);
INSERT INTO "messages" VALUES(2,1,1,'300000000000000002','person',1767261601500,3600,1767261660123,'Grüße 👋🏽 an @Bo
und :party_cat: https://example.org/x',NULL,0,0);
INSERT INTO "messages" VALUES(3,1,2,'300000000000000003','person',1767261609123,3600,NULL,'selber <@11>','300000000000000002',0,0);
INSERT INTO "messages" VALUES(4,1,2,'300000000000000004','person',1767261620000,3600,NULL,'',NULL,1,0);
INSERT INTO "messages" VALUES(5,1,3,'300000000000000005','bot',1767261630000,3600,NULL,'You rolled a 7.',NULL,0,0);
INSERT INTO "messages" VALUES(6,1,4,'300000000000000006','system',1767261640000,3600,NULL,'boosted the server',NULL,0,0);
INSERT INTO "messages" VALUES(7,1,4,'300000000000000008','person',1767261650000,3600,NULL,'https://example.org/only-a-link',NULL,0,0);
INSERT INTO "messages" VALUES(8,1,4,'300000000000000009','person',1767261655000,3600,NULL,'!roll 2d6',NULL,0,0);
INSERT INTO "messages" VALUES(9,2,5,'ca35ec85392f62013a72ff8d5280560e-1','person',14400000,0,NULL,'say "hi", please',NULL,0,0);
INSERT INTO "messages" VALUES(10,2,5,'5b306cb11e4723524206826ac626b8ed-1','person',21600000,0,NULL,'über 🙂',NULL,0,0);
INSERT INTO "messages" VALUES(11,2,5,'7c35031917dd4b6e56e39998e51d7e7d-1','person',28800000,0,NULL,'two
lines',NULL,0,0);
INSERT INTO "messages" VALUES(12,2,5,'47654745fbac8c77b88014244071d4e5-1','person',36000000,0,NULL,'שלום',NULL,0,0);
INSERT INTO "messages" VALUES(13,2,5,'c3fc4b4165fd8bb754adc15660fefcdd-1','person',50400000,0,NULL,'ok',NULL,0,0);
INSERT INTO "messages" VALUES(14,2,5,'c3fc4b4165fd8bb754adc15660fefcdd-2','person',57600000,0,NULL,'ok',NULL,0,0);
INSERT INTO "messages" VALUES(15,3,6,'~b03c6e45b9c589648126f61a13588c76-1','person',1528925115000,0,NULL,'moi',NULL,0,0);
INSERT INTO "messages" VALUES(17,3,6,'~af722613bbe8b5f43fa96f82af1e5835-1','person',1528934700000,0,NULL,'<Media jätettiin pois>',NULL,1,0);
COMMIT;
