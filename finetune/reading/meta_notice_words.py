"""The wordings of Messenger's and Instagram's notices, by the language of the account's owner.

Regular expressions of a simple kind: `…` stands for a name, a title or the like, and a full stop
is one. Every wording needs a word, or a group of them, that stands by itself: it is found by that.
To teach one, add it to its language.
"""

from __future__ import annotations

ENGLISH = (
    "… left the group.",
    "… (added|removed) … (to|from) the group.",
    "… joined the (group|call|video chat|audio call).",
    "… (named|renamed) the (group|chat) …",
    "… (removed|cleared) the group name.",
    "… changed the (group photo|group name|chat theme|theme|chat colou?rs|quick reaction|emoji)…",
    "… changed the group (photo|name) to …",
    "… set the (emoji|quick reaction|nickname|theme)( for)? …",
    "… set (your|his|her|their|its|(his|her|their) own) nickname …",
    "… cleared (the|your|his|her|their|(his|her|their) own) nickname…",
    "… (added|removed) … as an? (group )?admin.",
    "… (made|is now|are now) … ?an? (group )?admin.",
    "… missed (a|an|your) (video |audio )?(call|chat)( from …)?.",
    "… called you.",
    "… (started|ended|joined) (a|an|the|your) (video |audio |group )*(call|chat)( …)?.",
    "The (video |audio )?(call|chat) (has )?ended.",
    "… (created|deleted|updated) (a|the) (group|poll|plan|event)( …)?.",
    "… (created|started) a poll: …",
    "… voted for [\"“‘']…",
    "… voted for …poll…",
    "… (changed|removed) (his|her|their|your|a) vote…",
    "… (reacted|Reacted) … to (your|a|the|his|her|their|…'s) (message|photo|video|story|reel)…",
    "Reacted … to your (message|photo|video|story|reel)…",
    "(… )?[Ll]iked (a|your) (message|photo|video|story|reel).?",
    "… (sent|shared) (an attachment|a (photo|video|link|location|live location|sticker|GIF|post|"
    "story|reel|file|voice message|profile)).",
    "… (unsent|removed) a message.",
    "… pinned a message.",
    "… (waved at|poked) you.",
    "(You can now|… can now) (message and call|message|call) (each other|…)…",
    "(You are|You're|… are) now connected on Messenger.",
    "Say hi to your new Facebook friend, ….",
    "… turned (on|off) (end-to-end encryption|disappearing messages|vanish mode|member approval)…",
    "Messages and calls are secured with end-to-end encryption.…",
)
GERMAN = (
    "… (hat|hast|haben|habt) die Gruppe verlassen.",
    "… (hat|hast|haben) … (zur|aus der) Gruppe (hinzugefügt|entfernt).",
    "… (ist|bist|sind) (der Gruppe|dem (Video|Audio)?(chat|anruf)|dem Anruf) beigetreten.",
    "… (hat|hast|haben) (die|der) Gruppe … (genannt|benannt|umbenannt).",
    "… (hat|hast|haben) den (Gruppennamen|Namen der Gruppe) …(geändert|entfernt|festgelegt).",
    "… (hat|hast|haben) das (Gruppenfoto|Gruppenbild|(Chat-)?Design|Chatdesign|Thema|Emoji)…"
    "(geändert|festgelegt).",
    "… (hat|hast|haben) die (Chatfarben|Schnellreaktion|Chat-Farben)…(geändert|festgelegt).",
    "… (hat|hast|haben) … als (Emoji|Schnellreaktion) festgelegt.",
    "… (hat|hast|haben) (den|einen|deinen|seinen|ihren|seinen eigenen|ihren eigenen)?…"
    "Spitznamen?…(festgelegt|geändert|gelöscht|entfernt|gegeben).",
    "… (hat|hast|haben) … (einen|deinen|den)? ?(Videoanruf|Anruf|Audioanruf|Sprachanruf|"
    "Videochat)( von …)? verpasst.",
    "… (hat|hast|haben) dich angerufen.",
    "… (hat|hast|haben) einen (Videoanruf|Anruf|Audioanruf|Gruppenanruf|Videochat)"
    "( mit …)? (gestartet|begonnen|beendet).",
    "Der (Anruf|Videoanruf|Audioanruf|Videochat) (ist|wurde) beendet.",
    "… (hat|hast|haben) (eine Umfrage|die Gruppe|einen Plan) …(erstellt|gelöscht).",
    "… (hat|hast|haben) für …(gestimmt|abgestimmt).",
    "… (hat|hast|haben) …mit … auf … (Nachricht|Foto|Video|Story) reagiert…",
    "(Hat|hat) mit … auf (deine|eine) (Nachricht|Story) reagiert.?",
    "Reagierte mit … auf deine Nachricht.?",
    "(… )?([Hh]at|hast) (eine|deine) Nachricht mit …[Gg]efällt mir.? markiert.?",
    "(… )?([Gg]efällt|[Hh]at) (eine|deine) Nachricht( geliket)?.?",
    "… (hat|hast|haben) (einen Anhang|ein Foto|ein Video|einen Link|einen Standort|einen Sticker|"
    "ein GIF|einen Beitrag|eine Story|ein Reel|eine Datei) (gesendet|geteilt|geschickt).",
    "… (hat|hast|haben) eine Nachricht (zurückgerufen|zurückgenommen|entfernt|angepinnt).",
    "(Ihr könnt|Du kannst) (nun|jetzt) …(Nachrichten|chatten|anrufen|schreiben)…",
    "Ihr seid jetzt (auf|im|über) Messenger (miteinander )?verbunden.",
    "… (hat|hast) dir zugewinkt.",
)
FRENCH = (
    "… (a|avez|as) quitté le groupe.",
    "… (a|avez|as) (ajouté|supprimé|retiré) … (au|du) groupe.",
    "… (a|avez|as) rejoint (le groupe|l[’']appel|l[’']appel vidéo|le chat vidéo|la discussion).",
    "… (a|avez|as) (nommé|renommé) (le groupe|la discussion) ….",
    "… (a|avez|as) (modifié|changé|défini|supprimé) (la photo|le nom) (du|de) groupe…",
    "… (a|avez|as) (modifié|changé|défini) (le thème|les couleurs|l[’']emoji|la réaction rapide)…",
    "… (a|avez|as) (modifié|changé|défini|supprimé|effacé|donné) "
    "(le|son|votre|ton|un|son propre) (surnom|pseudo)…",
    "… (a|avez|as) (manqué|raté) (un|votre|ton) (appel|appel vidéo|appel audio)( de …)?.",
    "… (vous|t[’']) ?a (appelé|appelée).",
    "… (a|avez|as) (démarré|commencé|lancé|terminé|rejoint) "
    "(un|l[’']|une) ?(appel|appel vidéo|appel audio|chat vidéo|discussion vidéo)( …)?.",
    "L[’']appel( vidéo| audio)? (est|s[’']est) terminé.",
    "… (a|avez|as) (créé|supprimé) (un sondage|le groupe|un évènement|un événement)…",
    '… (a|avez|as) voté pour (["“«]…|…sondage…)',
    "(… )?([Aa]|avez|as) réagi … à (votre|ton|un|une|la|le|son) (message|photo|vidéo|story)…",
    "(… )?([Aa]|avez|as) aimé (un|votre|ton) message.?",
    "… (a|avez|as) (envoyé|partagé) (une pièce jointe|une photo|une vidéo|un lien|un sticker|"
    "un autocollant|un GIF|une publication|une story|un reel|un fichier|une position).",
    "… (a|avez|as) (retiré|annulé l[’']envoi d[’']|épinglé) ?un message.",
    "(Vous pouvez|Tu peux) (désormais|maintenant) …(message|appel|discut)…",
    "Vous êtes (désormais|maintenant) (en contact|connectés?) sur Messenger.",
    "… (vous|t[’']) ?a fait (signe|coucou).",
)
SPANISH = (
    "… (abandonó|ha abandonado|salió de|ha salido de|abandonaste|saliste de) "
    "(el|del) ?(grupo|chat).",
    "… (salió|saliste) del grupo.",
    "… (agregó|añadió|ha añadido|eliminó|ha eliminado|sacó|agregaste|añadiste|eliminaste|"
    "has añadido) a … (al|del) grupo.",
    "… (se unió|se ha unido|te uniste) (al grupo|a la llamada|a la videollamada|al videochat).",
    "… (llamó|nombró|puso|ha llamado|nombraste|llamaste|cambió) "
    "(al grupo|el nombre del grupo|el grupo) …",
    "… (cambió|ha cambiado|cambiaste|has cambiado|estableció) (la foto|el nombre) del grupo…",
    "… (cambió|ha cambiado|cambiaste|estableció|estableciste) (el tema|los colores|el emoji|"
    "la reacción rápida|el color)…",
    "… (cambió|ha cambiado|cambiaste|estableció|estableciste|definió|borró|eliminó|puso) "
    "(el|su|tu|un|su propio) (apodo|sobrenombre|mote)…",
    "… (perdió|ha perdido|perdiste|tiene|tienes) (una|tu|la) (llamada|videollamada)"
    "( perdida)?( de …)?.",
    "… te (llamó|ha llamado).",
    "… (inició|ha iniciado|iniciaste|empezó|finalizó) (una|un|la) "
    "(llamada|videollamada|videochat|chat de video)( …)?.",
    "(La|El) (llamada|videollamada|videochat) (ha finalizado|finalizó|terminó|ha terminado).",
    "… (creó|ha creado|creaste) (una encuesta|el grupo|un plan|un evento)…",
    '… (votó|ha votado|votaste) (por|a favor de) (["“«]…|…encuesta…)',
    "(… )?([Rr]eaccionó|ha reaccionado|[Rr]eaccionaste|[Hh]a reaccionado) "
    "(con )?… (a|ante) (tu|un|su|una|la|el) (mensaje|foto|video|vídeo|historia)…",
    "(… )?(A … )?([Ll]e|[Tt]e) (gustó|ha gustado|gusta) (un|tu) mensaje.?",
    "(… )?[Ii]ndicó que le gusta un mensaje.?",
    "… (envió|ha enviado|enviaste|has enviado|compartió|compartiste) (un archivo adjunto|una foto|"
    "un video|un vídeo|un enlace|un sticker|un GIF|una publicación|una historia|un reel|un archivo|"
    "una ubicación|un adjunto).",
    "… (anuló el envío de|eliminó|anulaste el envío de|fijó) un mensaje.",
    "Ahora (pueden|podéis|puedes) …(mensajes|llamar|chatear|llamadas)…",
    "(Ahora )?(están|estáis) conectados (en|por) Messenger.",
    "… te (saludó|ha saludado).",
)
PORTUGUESE = (
    "… (saiu|saíste|abandonou) (do|o) (grupo|chat).",
    "… (adicionou|removeu|adicionaste|removeste) …( ao| do) grupo.",
    "… (entrou|aderiu|juntou-se) (no|ao|na|à) (grupo|chamada|ligação|bate-papo por vídeo|"
    "videochamada|chat de vídeo|chamada de vídeo).",
    "… (nomeou|renomeou|deu|chamou|alterou|mudou) (o grupo|ao grupo|o nome do grupo)…",
    "… (alterou|mudou|definiu|removeu|alteraste) a foto do grupo.",
    "… (alterou|mudou|definiu|alteraste) (o tema|as cores|o emoji|a reação rápida|a cor)…",
    "… (alterou|mudou|definiu|removeu|limpou|apagou|definiste) "
    "(o|seu|o seu|teu|um|o próprio|seu próprio) (apelido|nome de usuário|alcunha)…",
    "… (perdeu|não atendeu|perdeste) (uma|sua|a sua|a) (chamada|ligação|chamada de vídeo|"
    "videochamada|chamada de áudio|ligação de vídeo)( de …)?.",
    "… (ligou|telefonou) (para|a) (você|ti).",
    "… ligou-te.",
    "… (iniciou|começou|encerrou|terminou) (um|uma|a|o) (chamada|ligação|bate-papo por vídeo|"
    "videochamada|chamada de vídeo|chamada de áudio|chat de vídeo)( …)?.",
    "A (chamada|ligação|videochamada|chamada de vídeo) (terminou|foi encerrada|foi terminada).",
    "… (criou|criaste) (uma enquete|uma sondagem|o grupo|um plano|um evento)…",
    '… (votou|votaste) (em|por|a favor de) (["“«]…|…(enquete|sondagem)…)',
    "(… )?([Rr]eagiu|reagiste) (com )?… (à|a|ao) (sua|tua|seu|uma|um) (mensagem|foto|vídeo|story)…",
    "(… )?([Cc]urtiu|[Gg]ostou de|gostaste de) (uma|sua|a tua) mensagem.?",
    "… (enviou|enviaste|compartilhou|partilhou) (um anexo|uma foto|um vídeo|um link|uma figurinha|"
    "um GIF|uma publicação|um story|um reel|um arquivo|um ficheiro|uma localização|"
    "um autocolante).",
    "… (cancelou o envio de|removeu|fixou|anulou o envio de) uma mensagem.",
    "(Agora vocês podem|Vocês agora podem|Você agora pode|Agora podem|Já podem) "
    "…(mensagens|ligar|chamadas|conversar|ligações)…",
    "(Vocês )?(agora )?estão (agora )?conectados (no|pelo) Messenger.",
    "… acenou para você.",
)
ITALIAN = (
    "… (ha|hai|hanno) (abbandonato|lasciato) (il gruppo|la chat).",
    "… (è|sei) uscit[oa] dal gruppo.",
    "… (ha|hai) (aggiunto|rimosso) … (al|dal) gruppo.",
    "… (si è unit[oa]|ti sei unit[oa]|partecipa) (al gruppo|alla chiamata|alla videochiamata|"
    "alla videochat|alla chat video).",
    "… (ha|hai) (chiamato|denominato|rinominato|dato|assegnato) "
    "(il gruppo|al gruppo|il nome al gruppo|un nome al gruppo)…",
    "… (ha|hai) (cambiato|modificato|impostato|rimosso) (la foto|il nome|l[’']immagine) "
    "del gruppo…",
    "… (ha|hai) (cambiato|modificato|impostato) (il tema|i colori|l[’']emoji|"
    "la reazione rapida|il colore)…",
    "… (ha|hai) (cambiato|modificato|impostato|rimosso|cancellato|eliminato|scelto) "
    "(il|il suo|il tuo|un|il proprio) (soprannome|nickname)…",
    "… (ha|hai) perso (una|la tua|la sua|una tua|la) (chiamata|videochiamata)( da …| di …)?.",
    "… ti ha (chiamato|chiamata).",
    "… (ha|hai) (avviato|iniziato|terminato) (una|un|la) (chiamata|videochiamata|videochat|"
    "chat video|chiamata di gruppo)( …)?.",
    "La (chiamata|videochiamata|videochat|chat video) è (terminata|finita).",
    "… (ha|hai) creato (un sondaggio|il gruppo|un programma|un evento)…",
    '… (ha|hai) votato (per )?(["“«]…|…sondaggio…)',
    "(… )?([Hh]a|[Hh]ai) (reagito|aggiunto la reazione) (con )?…"
    "(al|a un|alla|alla tua|al tuo|a una|alle) (messaggio|foto|video|storia)…",
    '(… )?([Hh]a|[Hh]ai) messo ["“«]?[Mm]i piace["”»]? (a|al) (un|tuo) messaggio.?',
    "A … piace un messaggio.?",
    "(Ti piace|Piace) un messaggio.?",
    "… (ha|hai) (inviato|condiviso) (un allegato|una foto|un video|un link|un adesivo|una GIF|"
    "un post|una storia|un reel|un file|una posizione).",
    "… (ha|hai) (annullato l[’']invio di|rimosso|eliminato|fissato) un messaggio.",
    "(Ora potete|Ora puoi|Adesso potete|Adesso puoi) …(messaggi|chiamare|chiamate|chattare|"
    "chiamarvi)…",
    "(Ora )?(siete|sei) (ora |adesso )?(connessi|in contatto|connesso) su Messenger.",
    "… ti ha (salutato|salutata).",
)
DUTCH = (
    "… (heeft|hebt|hebben) de groep verlaten.",
    "… (heeft|hebt|hebben) … (toegevoegd aan|verwijderd uit) de groep.",
    "… (heeft|hebt|hebben) … (aan|uit) de groep (toegevoegd|verwijderd).",
    "… (neemt|neem|nam) deel aan (de groep|het gesprek|de videochat|het videogesprek).",
    "… (is|bent) lid geworden van de groep.",
    "… (heeft|hebt|hebben) de (groep|groepsnaam|naam van de groep) …"
    "(genoemd|gewijzigd|hernoemd|gegeven|verwijderd|ingesteld).",
    "… (heeft|hebt|hebben) (de groepsfoto|het thema|het chatthema|de chatkleuren|de emoji|"
    "de snelle reactie)…(gewijzigd|ingesteld|veranderd)…",
    "… (heeft|hebt|hebben) (de|je|zijn|haar|een|zijn eigen|haar eigen|jouw)…bijnaam…"
    "(ingesteld|gewijzigd|verwijderd|gegeven|gewist)…",
    "… (heeft|hebt|hebben) (een|je|jouw) …(oproep|gesprek|videogesprek|videochat)( van …)? gemist.",
    "… heeft (je|jou) gebeld.",
    "… (heeft|hebt|hebben|is|bent) (een|het|de) "
    "…(gesprek|oproep|videogesprek|videochat|groepsgesprek|audiogesprek)( met …)? "
    "(gestart|begonnen|beëindigd).",
    "(Het|De) (gesprek|videochat|videogesprek|oproep) is (beëindigd|afgelopen).",
    "… (heeft|hebt|hebben) (een peiling|de groep|een poll|een plan)…(gemaakt|aangemaakt)…",
    "… (heeft|hebt|hebben) (gestemd op|op) ([\"“‘']…|…peiling…)",
    "(… )?([Hh]eeft|hebt) (met )?… (op|gereageerd op) (je|een|jouw|zijn|haar) "
    "(bericht|foto|video|verhaal)( gereageerd)?.?",
    "(… )?[Rr]eageerde (met )?… op (je|een) (bericht|foto|video|verhaal).?",
    "(… )?([Vv]indt|[Vv]ond) (een|je) bericht leuk.?",
    "… (heeft|hebt|hebben) (een bijlage|een foto|een video|een link|een sticker|een gif|"
    "een bericht|een verhaal|een reel|een bestand|een locatie) (verzonden|gestuurd|verstuurd|"
    "gedeeld).",
    "… (heeft|hebt) een bericht (ingetrokken|verwijderd|vastgemaakt).",
    "(Jullie kunnen|Je kunt|Je kan) (nu|elkaar nu) …(bericht|bellen|chatten|oproepen)…",
    "(Jullie zijn|Je bent) nu (met elkaar )?verbonden (op|via) Messenger.",
    "… (heeft )?(zwaaide|zwaait) naar (je|jou).",
)
POLISH = (
    "… (opuścił|opuściła|opuścił\\(a\\)|opuszcza|opuściłeś|opuściłaś) (grupę|czat).",
    "Użytkownik … (opuścił|opuściła|dodał|dodała|usunął|usunęła|zmienił|ustawił|nazwał|wysłał|"
    "zareagował|rozpoczął|zagłosował) ….",
    "… (dodał|dodała|dodał\\(a\\)|dodaje|usunął|usunęła|usunął\\(ęła\\)|usuwa|dodałeś|dodałaś|"
    "usunąłeś|usunęłaś) …( do| z) grupy.",
    "… (dołączył|dołączyła|dołączył\\(a\\)|dołącza|dołączyłeś|dołączyłaś) do "
    "(grupy|rozmowy|połączenia|czatu wideo|rozmowy wideo).",
    "… (nazwał|nazwała|nazwał\\(a\\)|nadał|nadała|nadał\\(a\\)|zmienił|zmieniła|zmienił\\(a\\)|"
    "zmieniłeś|zmieniłaś|nazwałeś|nazwałaś|nadałeś|nadałaś) (grupę|grupie|nazwę grupy|"
    "zdjęcie grupy|motyw|motyw czatu|kolory czatu|emoji|szybką reakcję)…",
    "… (ustawił|ustawiła|ustawił\\(a\\)|zmienił|zmieniła|zmienił\\(a\\)|usunął|usunęła|"
    "usunął\\(ęła\\)|ustawiłeś|ustawiłaś|wyczyścił|wyczyściła) "
    "(pseudonim|nick|swój pseudonim|Twój pseudonim|Ci pseudonim|motyw|emoji|nazwę|zdjęcie|"
    "szybką reakcję)…",
    "(… )?(nie odebrał|[Nn]ie odebrano|nie odebrała|nie odebrał\\(a\\)|nie odebrałeś|"
    "nie odebrałaś|przegapił|przegapiła|[Nn]ieodebrane) "
    "(połączenia|połączenie|rozmowy|rozmowę|rozmowa|połączenie wideo|"
    "rozmowy wideo|Twojego połączenia)( od …)?.?",
    "… (dzwonił|dzwoniła|dzwonił\\(a\\)|zadzwonił|zadzwoniła) do Ciebie.",
    "… (rozpoczął|rozpoczęła|rozpoczął\\(ęła\\)|rozpoczyna|rozpocząłeś|rozpoczęłaś|zakończył|"
    "zakończyła) (połączenie|rozmowę|czat wideo|rozmowę wideo|połączenie wideo|"
    "połączenie grupowe)…",
    "(Rozmowa|Połączenie|Czat wideo|Rozmowa wideo) (została|zostało|został)? ?"
    "(zakończona|zakończone|zakończony|zakończyła się|zakończyło się).",
    "… (utworzył|utworzyła|utworzył\\(a\\)|utworzyłeś|utworzyłaś) (ankietę|grupę|plan)…",
    "… (zagłosował|zagłosowała|zagłosował\\(a\\)|głosował|głosowała|zagłosowałeś|zagłosowałaś) "
    'na (["„“]…|…ankie…)',
    "(… )?([Zz]areagował|[Zz]areagowała|[Zz]areagował\\(a\\)|zareagowałeś|zareagowałaś|reaguje) "
    "… na (Twoją|Twoje|wiadomość|zdjęcie|swoją)…",
    "(… )?([Pp]olubił|[Pp]olubiła|[Pp]olubił\\(a\\)|[Ll]ubi|polubiłeś|polubiłaś) "
    "(Twoją )?wiadomość.?",
    "… (wysłał|wysłała|wysłał\\(a\\)|wysyła|wysłałeś|wysłałaś|wysłano|udostępnił|udostępniła|"
    "udostępnił\\(a\\)) (załącznik|zdjęcie|film|link|naklejkę|plik|GIF|GIF-a|post|relację|rolkę|"
    "lokalizację).",
    "… (cofnął|cofnęła|cofnął\\(ęła\\)|usunął|usunęła|przypiął|przypięła) "
    "(wysłanie wiadomości|wysyłanie wiadomości|wiadomość).",
    "(Możecie teraz|Możesz teraz|Teraz możecie|Teraz możesz) …(wiadomości|dzwonić|rozmawiać|"
    "pisać)…",
    "Jesteście (teraz|już) połączeni (w|na|w aplikacji) Messenger(ze)?.",
)

LANGUAGES = (ENGLISH, GERMAN, FRENCH, SPANISH, PORTUGUESE, ITALIAN, DUTCH, POLISH)

NO_NAMES = (
    "I|We|He|She|They|It|Who|Somebody|Someone|Everybody|Nobody|Ich|Wir|Er|Sie|Man|Jemand|Je|On|Il|"
    "Elle|Nous|Ils|Elles|Yo|Él|Ella|Ellos|Nosotros|Eu|Ele|Ela|Eles|Nós|Io|Lui|Lei|Noi|Loro|Ik|Hij|"
    "Zij|Ze|We|Wij|Ja|On|Ona|Oni|My"
)
"""Nobody is called so: a sentence that begins with one of these is somebody's own. Dutch notices
begin with "Je" where they speak to the reader; "hebt" and "kunt" after it tell them apart."""
