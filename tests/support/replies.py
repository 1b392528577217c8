"""Replies as people write them: those that revoke consent, and those that don't."""

REVOCATIONS = """
STOP
stop
Stop.
STOP!!!
"STOP"
'stop'
(stop)
Stop please
STOP NOW
stop it
Stop this
STOP ALL
stopall
Stop texting me
stop texting
Stop texting this number
Please stop texting me
Please stop.
pls stop
plz stop texting me
Can you please stop texting me?
Could you stop sending me these messages
Stop sending me messages
stop sending me texts!!
Stop messaging me
STOP MESSAGING THIS PHONE
Stop contacting me
Stop spamming me
stop bothering me
I said STOP
I already said stop
STOP STOP STOP
stop!!! stop!!!
for the last time stop
How many times do I have to say stop
ok stop
OK, please stop now
Stop thanks
stop thank you
Please just stop
Stop immediately
STOP. Do not text me again.
Stop or I will call my lawyer
Stop it. This is harassment
stop already
Stop all texts
Stop all messages please
Stop these texts
Stop the texts
stop promotions
Stop marketing messages
stop notifications
Stop sending promotional texts to me
S T O P
s.t.o.p
s-t-o-p
stooooop
STOPPPP
sotp
stpo
Stop 2 end
STOP to end
stop sms
quit
QUIT
Quit.
Quit texting me
quit it
Quit sending me this
end
END
End.
end texts
End all messages
end this subscription
revoke
REVOKE
Revoke.
I revoke my consent
I hereby revoke consent to be contacted
revoke consent
I am revoking my permission to text me
Consent revoked
I withdraw my consent
I withdraw consent for text messages
opt out
OPT OUT
Opt-out
opt-out!
OPTOUT
optout
Opt me out
opt out please
Please opt me out
I want to opt out
I'd like to opt out
I would like to opt-out of these messages
opting out
I opt out
I am opting out of all texts
How do I opt out?
cancel
CANCEL
Cancel.
cancel texts
Cancel all messages
cancel please
Please cancel
cancel my subscription to these texts
unsubscribe
UNSUBSCRIBE
Unsubscribe me
unsubscribe please
Please unsubscribe me
un-subscribe
unsub
Unsubscribed
unsubcribe
unsuscribe
unsubsribe
unscubscribe
unsubscibe me
I want to unsubscribe
how do i unsubscribe
remove
REMOVE
Remove me
remove me please
Please remove me from your list
Remove my number
remove my number from your database
Remove this number from your list immediately
please remove my phone number
Take me off your list
take me off this list please
Take my number off your list
Get me off this list
please delete my number
Delete me from your list
delete my number now
Do not text me
Don't text me
dont text me again
Do not text this number again
Do not contact me
please don't contact me anymore
DO NOT MESSAGE ME
Don't message me ever again
never text me again
Never contact me again
Do not send me any more messages
don't send me texts
Please do not send any more texts to this number
No more texts
no more messages please
No more
no more sms
I don't want these texts
I do not want these messages
I don't want any more texts from you
I no longer want to receive messages
I no longer wish to receive these texts
I don't wish to receive any more messages
I am not interested
not interested
Not interested, remove me
leave me alone
Leave me alone!
Please leave me alone
lose my number
Lose this number
wrong number
Wrong number, stop texting
you have the wrong number
Wrong person
This is not Mike, you have the wrong number
I never signed up for this
I didn't sign up for this
I did not subscribe to this
I never consented to these messages
I did not give you permission to text me
You don't have my permission to contact me
You do not have consent to message this phone
Who gave you permission to text me
This is spam
spam
reported as spam
I'm reporting you
I am reporting this to the FCC
I will report you to the FTC
blocked
I'm blocking this number
blocking you
cease and desist
Cease all communication
stop harassing me
this is harassment
go away
fuck off
Fuck off and stop texting me
piss off
f*** off
shut up
get lost
enough
Enough already!
please discontinue these messages
discontinue texts
I'm on the do not call list
Put me on your do not contact list
put this number on your dnc list
My attorney will contact you
I will sue you
text me again and I sue
quit harassing my phone
this phone belongs to a minor, do not text
Dejen de enviarme mensajes
no me manden más mensajes
No me envíe más mensajes por favor
no quiero recibir más mensajes
ALTO
alto
BAJA
baja
Dar de baja
quiero darme de baja
denme de baja
Cancelar
cancelar suscripción
PARAR
basta
Basta ya
no más mensajes
no mas
no me escriban
número equivocado
quítenme de su lista
Bórreme de la lista
ARRET
ARRÊT
arrêt
Arrêtez
arrêtez de m'envoyer des messages
Arrêtez ces messages svp
désabonner
Me désabonner
désabonnez-moi
Désinscription
je veux me désinscrire
ne m'envoyez plus de messages
Ne me contactez plus
plus de sms
plus de messages svp
laissez-moi tranquille
je ne veux plus recevoir vos messages
stop pub
STOPP
stopp
Abmelden
bitte abmelden
ABBESTELLEN
Abbestellung
ich möchte mich abmelden
Keine SMS mehr
keine Nachrichten mehr bitte
Bitte keine weiteren SMS
Hören Sie auf
hört auf mir zu schreiben
Lassen Sie mich in Ruhe
Widerruf
ich widerrufe meine Einwilligung
Schreiben Sie mir nicht mehr
austragen
kündigen
Löschen Sie meine Nummer
disiscrivimi
Disiscrizione
CANCELLAMI
cancellatemi dalla lista
basta sms
Basta messaggi
non mandatemi più messaggi
Non scrivetemi più
Non voglio più ricevere messaggi
smettetela
annulla iscrizione
rimuovete il mio numero
PARAR
parem
Parem de me enviar mensagens
pare de mandar mensagem
SAIR
sair
descadastrar
quero me descadastrar
Não quero mais receber mensagens
não me mandem mais mensagens
cancelar inscrição
me tire da lista
remover meu número
me deixe em paz
Uitschrijven
afmelden
geen berichten meer
meld me af
stuur me geen sms meer
stop txting me
Stahp
stop msg
STOP. I'm not interested.
take me off
off list
please unsubscribe this number
I want off this list
Kindly remove my number from your records
Discontinue
I would like to be removed
please no more
No more please
no more text
No texts
do not reply
dont message
Don't contact
don't send
Not me
unsubcrive
STOP!stop!STOP!
no msgs
please cease
halt
I revoke
I'd like to be taken off
get rid of my number
exclude me
deactivate
terminate
withdraw
erase my data
forget me
delete my data
no longer want texts
nope remove me
No gracias, no me manden mas
ya no quiero mensajes
ya no me manden
detener
elimíname
quitar mi número
sácame de la lista
no molestar
no molesten
deje de mandar
dejen de molestar
je refuse
retirez-moi
supprimez mon numéro
cessez
cessez de m'écrire
fichez-moi la paix
foutez-moi la paix
aufhören
nicht mehr schreiben
bitte löschen
bitte aus dem Verteiler nehmen
nimm mich raus
kein Interesse
lass mich in ruhe
hör auf
togliermi dalla lista
toglietemi
non voglio
non sono interessato
smetti di scrivermi
lasciami in pace
eliminami
pare!
não tenho interesse
retire meu número
exclua meu contato
me exclua
deixem de mandar
não envie mais
me remova
I don't want this
do not want
don't want any
dont want ur texts
I don't need these
This number is no longer John's
You've got the wrong person
He died, please stop
John is deceased
I'm at work stop texting
STOP sending
Stop sending these
stop sendin me stuff
stop w the texts
stop with the messages
Stop with these texts already
enough with the texts
Enough of these messages
I've asked you to stop
asked you to stop several times
why do you keep texting me
Why are you texting me
stop blowing up my phone
quit blowing up my phone
please take my name off
take my name off this
remove from list
remove from your list
remove number
Delete
delete number
delete this number
please opt-out
opt. out
optout me
Opting out of texts
opt out of all
opt-out all
optout all
no consent
Consent withdrawn
I take back my consent
I no longer consent
I do not consent
I object
No contact
do not disturb
Please do not disturb
do not bother me
don't bother me
don't bother texting
not interested stop
no interest
no longer interested
wrong #
wrong num
u have the wrong number
Sorry wrong number
this isn't her number anymore
new phone who dis, stop
lose this #
quit it!
END!
end it
End this
End messages
cancel this
Cancel it
Cancel texts please
cancel sms
cancel messages
cancel alerts
Cancel subscription
Cancel my subscription
cancel everything
unsubscribe all
Unsubscribe from all
unsubscribe from this list
unsubscribe immediately
UNSUBSCRIBE NOW
Un subscribe
unsubscribe!!!
please unsubscribe my number from your list
I said unsubscribe
REVOKE CONSENT
revoke permission
revoke authorization
revoked
I am revoking consent
REVOKE ALL
I wish to revoke my consent to receive texts
stop please.
S.T.O.P.
ST0P
5TOP
$top
st op
S-TOP
sTOp
Stop stop stop stop
stop🛑
🛑🛑
🚫
✋
stop.stop
stop/quit
STOP END
STOP QUIT CANCEL
stopall please
stop all texts now
DO NOT SEND ANY MORE TEXTS!!
DO NOT CALL OR TEXT
don't call or text
never call me
please don't call
stop calling
STOP CALLING ME
no calls no texts
""".strip().split("\n")

OTHERS = """
Yes
yes please
Y
No
no thanks
No thank you
N
OK
ok
Okay, thanks
Thanks
Thank you!
Thanks so much
thx
ty
C
1
2
3
12345
HELP
help
Help me with my order
INFO
info
Hi
Hello
hello?
Hey there
Who is this?
who dis
What is this about?
What time?
what's the address
Where are you?
When does it open?
How much is it?
how long will it take
Is it still available?
Can I pay cash?
Do you deliver?
I'll be there at 5
See you tomorrow
see you at 10
On my way
Running late
running 10 minutes late
I'm here
I'm outside
Just arrived
Got it
got it thanks
Great
Perfect
Sounds good
cool
Awesome, thanks!
lol
haha
👍
❤️
😂😂
🙏
Confirm
CONFIRM
confirmed
I confirm
Confirmed, see you then
Please reschedule
Reschedule please
Can we move it to Friday?
could we do tuesday instead
I need to change my appointment
Can I come at 3 instead?
Call me
please call me back
call me at 5
I will call you
My name is John
My email is jo@example.com
The code is 4829
4829
Is this about my order?
Where is my order?
my package never arrived
it arrived broken
I have a question
I have a complaint
Can you help?
Who do I contact about billing?
I paid yesterday
payment sent
paid
Here is the photo
see attached
Good morning
good night
Happy birthday!
Merry Christmas to you too
Love it
I love these deals
Send me more info
send me the link
Please send details
Please text me tomorrow
text me when ready
text me the address
You can text me here
Keep me posted
keep sending these please
Sign me up
sign me up please
Subscribe
subscribe me
I'd like to subscribe
START
Start
UNSTOP
unstop
count me in
I'm in
Interested
I'm interested
Very interested, tell me more
Maybe
maybe later
Not today
not now
not sure yet
I don't know
idk
I don't understand
I don't have it
I don't think so
I can't make it
I cannot come tomorrow
Can't wait!
Sorry, I'm driving
I'm driving right now
In a meeting
Fine
fine
I'm fine
Fine, thanks
That's fine
It's fine
Final answer
the finale was great
Weekend works
this weekend
Have a good weekend
Nonstop fun
Is it a bus shop?
The top one
drop off at noon
shop
Step 2
Mistake on my bill
Too expensive
How do I use the coupon?
does the coupon work online
5 stars
10/10
Great service
Terrible service
It was bad
I'm not happy
You guys are the best
Can you tell me the price
Cuánto cuesta?
Gracias
muchas gracias
sí
Sí, confirmo
No puedo ir mañana
¿A qué hora?
Nos vemos mañana
Llego en 10 minutos
para mañana por favor
Merci
Merci beaucoup
oui
non
D'accord
À demain
C'est combien ?
Je serai en retard
Danke
Vielen Dank
ja
nein
Bis morgen
Wann haben Sie geöffnet?
Ich komme später
Grazie
grazie mille
sì
A domani
Quanto costa?
va bene
Obrigado
Obrigada
sim
não
Até amanhã
Quanto custa?
Estou a caminho
Bedankt
tot morgen
Room 5
Apt 12B
Gate 4, code 1234
The red one
size M
Large
two tickets please
2 adults 1 child
Table for 4
window seat
blue
Pizza
Pepperoni
What time do you close
Is the weekend ok
cancellation policy?
Was my flight cancelled?
no problem
No worries
no thx
nope
Not yet
Not sure
never mind
Nevermind
I never got my order
I never received it
I don't have a car
Don't worry about it
do not forget my keys
I do not eat meat
don't be late
I don't want onions
I want more information
I need help with my account
Who is calling
call or text?
Do you text updates?
Sorry I missed your text
I got your text
text received
Got your message
your message was cut off
My number is 5551234
new number is 5551234
My new phone number
Please update my number
change my phone number please
can you send to this number
wrong size
Wrong color, can I return it
wrong address
that's the wrong date
I have the wrong item
delete the last order
I spent too much
my package is stuck
Back in 5
get off work at 6
I get off at 5
Take off the mayo
take off 10%
taking off soon
out of office
out of town
Opt for delivery
option 2
options?
I agree
agree
accept
YES 1
I'd like to order
Bring a friend
I love your texts
love these texts
Thanks for the text!
thanks for letting me know
quite good
Quite happy
The endings are great
what's the catch
Is this legit?
is this real
Are you a bot
Who gave you my number
How did you get my number
where did you get my number?
Who is this and how did you get my number
What is this
Whats this regarding
""".strip().split("\n")

HOLDING = """
We have got to STOP this bill
We have got to stop this bill
I have to cancel my appointment
Cancel my appointment
cancel my order please
I need to cancel tomorrow
Please cancel my reservation
can I cancel my booking
The bus stop is closed
Meet me at the bus stop
which stop is it
Stop by my house at 5
stop by anytime
I'll stop by later
You can stop by the store
Don't stop!
Don't stop texting me
please don't stop sending these
never stop being awesome
I can't stop laughing
stop lying
The rain won't stop
does the train stop here?
last stop
first stop is Boston
At the end of the street
the end
see you at the end of the month
End of story
the west end
by the end of the day
My dog is at the end of the leash
I quit my job
I quit smoking
He quit yesterday
they will revoke my license
can the bank revoke it?
Remove the onions
remove the second item from my order
Remove onions please
did you remove the old tire
Can I opt out of the warranty?
what happens if I opt out
Do I have to unsubscribe from the old plan?
I did not mean to unsubscribe
I accidentally sent STOP
sorry I typed stop by mistake
Did my STOP work?
If I say stop will I lose my points?
quiero cancelar mi cita
¿puedo cancelar mi pedido?
la parada de autobus, cancela la cita
Je voudrais annuler, arrêt de bus ?
Bitte den Termin stornieren, nicht abmelden
Posso cancellare l'appuntamento?
quero cancelar a consulta
one-stop shop
Great, see you at the end
In the end I bought it
Is this a scam?
Revoked license?
STOP by tomorrow?
When does the sale end?
do you have a stop near me
non-stop flight
parking stop?
spam musubi please
""".strip().split("\n")
"""None of these is a revocation by itself, and a person has to see each that holds a keyword."""

LEGAL = ("stop", "quit", "end", "revoke", "opt out", "cancel", "unsubscribe")

SEVEN = {
    "en": LEGAL,
    "es": ("alto", "salir", "fin", "revocar", "darme de baja", "cancelar", "cancelar suscripción"),
    "fr": ("arrêt", "quitter", "fin", "révoquer", "désinscription", "annuler", "désabonner"),
    "de": ("stopp", "verlassen", "ende", "widerrufen", "austragen", "kündigen", "abmelden"),
    "it": ("ferma", "esci", "termina", "revoca", "rinuncio", "annulla", "disiscrivimi"),
    "pt": ("parar", "sair", "fim", "revogar", "optar por sair", "cancelar", "descadastrar"),
}
"""The legal words in the six languages that are heard everywhere."""
