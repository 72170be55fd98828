-- Made by the code of commit dc687b7: an export of Discord.
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE accounts (
    id INTEGER PRIMARY KEY, platform TEXT NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL,
    shown_name TEXT NOT NULL, person TEXT,
    UNIQUE (platform, key));
INSERT INTO "accounts" VALUES(1,'discord','11','ada','Ada',NULL);
INSERT INTO "accounts" VALUES(2,'discord','12','bo','bo',NULL);
INSERT INTO "accounts" VALUES(3,'discord','13','DiceBot','DiceBot',NULL);
INSERT INTO "accounts" VALUES(4,'discord','14','cy','cy',NULL);
CREATE TABLE chats (
    id INTEGER PRIMARY KEY, platform TEXT NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL,
    UNIQUE (platform, key));
INSERT INTO "chats" VALUES(1,'discord','200000000000000002','Café Größenwahn / plauderei');
CREATE TABLE messages (
    id INTEGER PRIMARY KEY, chat INTEGER NOT NULL REFERENCES chats,
    account INTEGER NOT NULL REFERENCES accounts, key TEXT NOT NULL, kind TEXT NOT NULL,
    sent_ms INTEGER NOT NULL, offset_seconds INTEGER NOT NULL, edited_ms INTEGER,
    text TEXT NOT NULL, reply_to TEXT, attachments INTEGER NOT NULL,
    UNIQUE (chat, key));
INSERT INTO "messages" VALUES(1,1,1,'300000000000000001','system',1767261600000,0,NULL,'Joined the server.',NULL,0);
INSERT INTO "messages" VALUES(2,1,1,'300000000000000002','person',1767261601500,3600,1767261660123,'Grüße 👋🏽 an @Bo
und :party_cat: https://example.org/x',NULL,0);
INSERT INTO "messages" VALUES(3,1,2,'300000000000000003','person',1767261609123,3600,NULL,'selber <@11>','300000000000000002',0);
INSERT INTO "messages" VALUES(4,1,2,'300000000000000004','person',1767261620000,3600,NULL,'',NULL,1);
INSERT INTO "messages" VALUES(5,1,3,'300000000000000005','bot',1767261630000,3600,NULL,'You rolled a 7.',NULL,0);
INSERT INTO "messages" VALUES(6,1,4,'300000000000000006','system',1767261640000,3600,NULL,'boosted the server',NULL,0);
INSERT INTO "messages" VALUES(7,1,4,'300000000000000008','person',1767261650000,3600,NULL,'https://example.org/only-a-link',NULL,0);
INSERT INTO "messages" VALUES(8,1,4,'300000000000000009','person',1767261655000,3600,NULL,'!roll 2d6',NULL,0);
CREATE INDEX messages_by_time ON messages (chat, sent_ms, id);
COMMIT;
