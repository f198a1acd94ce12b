import { systemClock } from '../clock.js';
import { proxyFor } from '../environment-proxy.js';
import { InstanceClientError } from '../errors.js';
import { fileStore } from '../file-store.js';
import { createInstanceClient, type InstanceClient } from '../instance-client.js';
import type { LogEvent } from '../log-event.js';
import { type Arguments, HELP, readArguments } from './arguments.js';
import { instanceIdBeside, readSecret, writeHeaders } from './files.js';

const EXIT = { done: 0, noToken: 1, unusable: 2, store: 3 } as const;

/** Runs the command until it is done, or until `ended` resolves. @returns its exit code */
export async function run(
  argv: readonly string[],
  print: (line: string) => void,
  ended: Promise<void>,
): Promise<number> {
  try {
    const given = readArguments(argv);
    if (given) return await new Daemon(given, print).run(ended);
    print(HELP.trimEnd());
    return EXIT.done;
  } catch (error) {
    if (!(error instanceof InstanceClientError)) throw error;
    print(`${error.code}: ${error.message}`);
    if (error.code.startsWith('STORE_')) return EXIT.store;
    return error.code === 'OPTION_INVALID' ? EXIT.unusable : EXIT.noToken;
  }
}

class Daemon {
  private headersWritten: Promise<void> = Promise.resolve();

  constructor(
    private readonly given: Arguments,
    private readonly print: (line: string) => void,
  ) {}

  async run(ended: Promise<void>): Promise<number> {
    const client = await this.client();
    if (!this.given.once) {
      client.start();
      await ended;
      this.tell({ level: 'info', message: 'asked to end' });
      await client.stop();
      await this.headersWritten;
      return EXIT.done;
    }
    await client.checkToken();
    const hasToken = await this.writeHeaders(client);
    if (!hasToken) this.tell({ level: 'error', message: 'there is no usable token' });
    return hasToken ? EXIT.done : EXIT.noToken;
  }

  private async client(): Promise<InstanceClient> {
    const { given } = this;
    const store = fileStore({ path: given.store, keyFile: given.storeKeyFile });
    const state = await store.read();
    const instanceId = given.instanceId ?? (await instanceIdBeside(given.store));
    const licenseKey = given.licenseKeyFile ? await readSecret(given.licenseKeyFile) : null;
    const client: InstanceClient = createInstanceClient({
      ...{ url: given.url, instanceId, hostname: given.hostname, store },
      gitlabVersion: given.gitlabVersion,
      ...(licenseKey === null ? {} : { licenseKey }),
      ...(given.uniqueInstanceId === null ? {} : { uniqueInstanceId: given.uniqueInstanceId }),
      log: (event) => {
        this.follow(event, () => client);
      },
    });
    const proxy = proxyFor(given.url);
    const through = proxy ? `, through the proxy ${proxy.origin}` : '';
    this.tell({ level: 'info', message: `instance ${instanceId}, issuer ${given.url}${through}` });
    if (licenseKey === null && state.licenseKey === null) await this.activate(client);
    return client;
  }

  private async activate(client: InstanceClient): Promise<void> {
    const { activationCodeFile } = this.given;
    if (activationCodeFile === null) {
      const message = '--license-key-file or --activation-code-file is needed';
      throw new InstanceClientError('OPTION_INVALID', message);
    }
    const activationCode = await readSecret(activationCodeFile);
    await client.activate({ activationCode, automated: true });
  }

  private follow(event: LogEvent, client: () => InstanceClient): void {
    this.tell(event);
    if (this.given.once || !/^(token|sync)/.test(event.event)) return;
    this.headersWritten = this.headersWritten
      .then(async () => {
        await this.writeHeaders(client());
      })
      .catch((error: unknown) => {
        const message = error instanceof Error ? error.message : String(error);
        this.tell({ level: 'error', message });
      });
  }

  /**
   * Writes the file of headers, if one was asked for, and takes it away when there is no token: a store
   * that cannot be read is no reason to. @returns whether there is one
   */
  private async writeHeaders(client: InstanceClient): Promise<boolean> {
    const headers = await client.headers().catch((error: unknown) => {
      if (error instanceof InstanceClientError && error.code === 'NO_TOKEN') return null;
      throw error;
    });
    const { headersFile } = this.given;
    if (headersFile !== null) await writeHeaders(headersFile, headers);
    return headers !== null;
  }

  private tell({ level, message }: Pick<LogEvent, 'level' | 'message'>): void {
    this.print(`${systemClock.now().toISOString()} ${level.padEnd(5)} ${message}`);
  }
}
