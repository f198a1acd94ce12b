export const USAGE = `cloud-connector-mock-issuer [options]
    Serves keys and tokens, good and bad, until Ctrl-C.
cloud-connector-mock-issuer verify-backend --url URL [options]
    Tries all of them on a backend that trusts this issuer.
    Exit code: 0 nothing deviates, 1 something does, 2 wrong usage.
cloud-connector-mock-issuer write-corpus --folder PATH [options]
    Writes all of them to files, with new keys, for a backend that is tested without Node.

Both
  --port N                    default 5000
  --host ADDRESS              default 127.0.0.1; anybody who reaches it gets any token
  --issuer URL                default http://localhost:PORT
  --audience NAME             default gitlab-ai-gateway
  --unit-primitive NAME       default duo_chat
  --keys-file PATH            keep the keys there, for a backend that still knows them next time

Serving
  --rotate-seconds N          default 60; 0: only on POST /rotate
  --token-ttl-seconds N       default 120
  --publish-late-seconds N    default 0; else a key signs so long before it is published

verify-backend
  --url URL                   an endpoint that asks for the unit primitive
  --method NAME               default POST
  --body TEXT, --body-file PATH
                              default {}
  --header NAME=VALUE         as often as needed
  --second-port N             it trusts a second issuer, too: http://localhost:N
  --status-list               it reads status lists
  --caching                   also rotate keys, and break the documents
  --bodies                    compare what the bodies of refusals say, too
  --patience-seconds N        default 35; how long it may take to learn a new key
  --settle-seconds N          default 0; wait before each broken document
  --timeout-seconds N         default 10; for one request
  --json                      the report as JSON

write-corpus
  --folder PATH               made when absent
  --issuer URL                default https://issuer.example.com; nothing has to be there
  --audience, --unit-primitive
  --now INSTANT               default now; when the tokens were made
  --until INSTANT             default 2099-01-01T00:00:00Z; until when good tokens are valid`;
