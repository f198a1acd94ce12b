import './no-inspector.js';
import { pino } from 'pino';
import { createBackend } from './backend.js';

const { ISSUERS, AUDIENCE, PORT, STATUS_LIST } = process.env;

const backend = createBackend(
  {
    issuers: (ISSUERS ?? 'http://localhost:3000').split(','),
    audience: AUDIENCE ?? 'gitlab-ai-gateway',
    statusList: STATUS_LIST === 'true',
  },
  pino(),
);

backend.listen({ port: Number(PORT ?? 4000), host: '127.0.0.1' }).catch((error: unknown) => {
  backend.log.fatal(error);
  process.exitCode = 1;
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    backend.close().catch((error: unknown) => {
      backend.log.fatal(error);
      process.exitCode = 1;
    });
  });
}
