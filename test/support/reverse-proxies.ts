import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../src/platform/free-port.js';
import { programPath } from './debian.js';

/** A real proxy, with one port for each of its ways to say who its client is. */
export interface ReverseProxy {
  portOf(way: string): number;
  stop(): Promise<void>;
}

/** Directives of a `server` of nginx, by way. */
export async function startNginx(
  target: string,
  ways: Readonly<Record<string, string>>,
): Promise<ReverseProxy> {
  return start('nginx', ways, (ports, dir) => ({
    config: `
      daemon off; master_process off; pid ${dir}/pid; error_log stderr;
      events {}
      http {
        access_log off;
        ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
          .map((name) => `${name}_temp_path ${dir}/${name};`)
          .join(' ')}
        ${Object.entries(ways)
          .map(
            ([way, directives]) => `server {
              listen 127.0.0.1:${ports.get(way)};
              location / { proxy_pass ${target}; ${directives} }
            }`,
          )
          .join('\n')}
      }`,
    options: ['-p', dir, '-e', 'stderr', '-c'],
  }));
}

/** Lines of a `frontend` of HAProxy, by way. */
export async function startHaproxy(
  target: string,
  ways: Readonly<Record<string, string>>,
): Promise<ReverseProxy> {
  return start('haproxy', ways, (ports) => ({
    config: `
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
backend issuer
  server issuer ${new URL(target).host}
${Object.entries(ways)
  .map(
    ([way, lines], index) => `frontend way${index}
  bind 127.0.0.1:${ports.get(way)}
  ${lines}
  default_backend issuer`,
  )
  .join('\n')}
`,
    options: ['-db', '-f'],
  }));
}

async function start(
  program: string,
  ways: Readonly<Record<string, string>>,
  configure: (
    ports: ReadonlyMap<string, number>,
    dir: string,
  ) => { readonly config: string; readonly options: readonly string[] },
): Promise<ReverseProxy> {
  const dir = await mkdtemp(join(tmpdir(), `${program}-`));
  const ports = new Map<string, number>();
  for (const way of Object.keys(ways)) ports.set(way, await freePort());
  const { config, options } = configure(ports, dir);
  const file = join(dir, 'conf');
  await writeFile(file, config);
  const child = spawn(programPath(program) ?? program, [...options, file], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  for (const port of ports.values()) await untilItListens(port, child);
  return {
    portOf: (way) => ports.get(way) ?? 0,
    stop: async () => {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function untilItListens(port: number, child: ChildProcess): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the proxy ended with ${child.exitCode}`);
    const socket = connect(port, '127.0.0.1');
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => {
        resolve(true);
      });
      socket.once('error', () => {
        resolve(false);
      });
    });
    socket.destroy();
    if (isOpen) return;
    await sleep(20);
  }
}
