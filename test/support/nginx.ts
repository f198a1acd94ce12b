import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../src/platform/free-port.js';
import { programPath } from './debian.js';

export interface Nginx {
  readonly url: string;
  stop(): Promise<void>;
}

/** Debian's nginx as a proxy before `upstream`. @param settings of its server, as nginx reads them */
export async function startNginx(upstream: string, settings: string): Promise<Nginx> {
  const folder = await mkdtemp(join(tmpdir(), 'nginx-'));
  const port = await freePort();
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  await writeFile(
    join(folder, 'nginx.conf'),
    `daemon off; master_process off; pid ${folder}/pid; error_log stderr; events {}
     http { access_log off; ${paths.join(' ')}
       server { listen 127.0.0.1:${port}; ${settings}
         location / { proxy_http_version 1.1; proxy_pass ${upstream}; } } }`,
  );
  const args = ['-p', folder, '-c', join(folder, 'nginx.conf')];
  const child = spawn(programPath('nginx') ?? 'nginx', args, { stdio: 'ignore' });
  const url = `http://127.0.0.1:${port}`;
  while (!(await answers(url))) {
    if (child.exitCode !== null) throw new Error(`nginx ended with ${child.exitCode}`);
    await sleep(20);
  }
  return {
    url,
    stop: async () => {
      const ended = once(child, 'exit');
      child.kill();
      await ended;
      await rm(folder, { recursive: true });
    },
  };
}

function answers(url: string): Promise<boolean> {
  return fetch(`${url}/-/liveness`).then(
    ({ ok }) => ok,
    () => false,
  );
}
