/**
 * The transformers of an EncryptionConfiguration, which may be replaced while the server runs.
 *
 * Source: apiserver `pkg/server/options/encryptionconfig/config.go`, `controller/controller.go`.
 */
import { parseDuration } from '#api/duration.ts';
import type { Clock } from '#client/clock.ts';
import { type EncryptionConfiguration, groupResource, type Key, type ProviderConfiguration } from './encryption-configuration.ts';
import { type KmsPlugin, KmsTransformer, kmsPlugin } from './kms.ts';
import { aesCbc, aesGcm, byPrefix, identity, type Prefixed, secretbox, type Transformer } from './transformers.ts';

/** What it works with. */
export interface EncryptionDeps {
  clock: Clock;
  log: { info(fields: object, message: string): void; error(fields: object, message: string): void };
  /** Opens a KMS plugin. Absent: the one at its socket. */
  open?: (endpoint: string, timeoutMs: number) => KmsPlugin;
}

/** Of one configuration. */
interface InUse {
  byResource: ReadonlyMap<string, Transformer>;
  kms: readonly KmsTransformer[];
  ended: AbortController;
  running: Promise<unknown>;
}

/** How long replaced KMS plugins stay connected for operations in progress. */
const closingMs = 60_000;

/** Knows how the values of each resource are stored. */
export class Encryption {
  readonly #deps: EncryptionDeps;
  #inUse: InUse | undefined;
  /** Replaced configurations that are still open, each with a function that cancels the timer of its close. */
  readonly #closing = new Map<InUse, () => void>();

  constructor(deps: EncryptionDeps) {
    this.#deps = deps;
  }

  /** Uses a configuration from now on, when its KMS plugins have been asked once. @returns false: not all of them answer; the one of before stays */
  async use(configuration: EncryptionConfiguration): Promise<boolean> {
    const next = this.#build(configuration);
    await Promise.all(next.kms.map((kms) => kms.probe()));
    const before = this.#inUse;
    if (before !== undefined && next.kms.some(({ problem }) => problem !== undefined)) {
      next.ended.abort();
      await next.running;
      return false;
    }
    this.#inUse = next;
    if (before !== undefined) {
      const cancel = this.#deps.clock.after(closingMs, () => {
        before.ended.abort();
        this.#closing.delete(before);
      });
      this.#closing.set(before, cancel);
    }
    return true;
  }

  #build({ resources }: EncryptionConfiguration): InUse {
    const lists = new Map<string, Prefixed[]>();
    const kms: KmsTransformer[] = [];
    for (const { resources: names, providers } of resources) {
      const transformers = providers.map((provider) => this.#transformer(provider, kms));
      for (const name of names) {
        const { group, resource } = groupResource(name);
        const key = `${group}/${resource}`;
        lists.set(key, [...(lists.get(key) ?? []), ...transformers]);
      }
    }
    const byResource = new Map([...lists].map(([key, list]) => [key, byPrefix(list, 'no matching prefix found')]));
    const ended = new AbortController();
    const running = Promise.all(kms.map((one) => one.run(ended.signal)));
    return { byResource, kms, ended, running };
  }

  #transformer({ aescbc, aesgcm, secretbox: box, kms: provider }: ProviderConfiguration, kms: KmsTransformer[]): Prefixed {
    if (aescbc !== undefined) return keyed('k8s:enc:aescbc:v1:', aescbc.keys ?? [], aesCbc, 'AES');
    if (aesgcm !== undefined) return keyed('k8s:enc:aesgcm:v1:', aesgcm.keys ?? [], aesGcm, 'AES');
    if (box !== undefined) return keyed('k8s:enc:secretbox:v1:', box.keys ?? [], secretbox, 'Secretbox');
    if (provider === undefined) return { prefix: '', transformer: identity };
    const { name, endpoint, timeout = '3s' } = provider;
    const { clock, log, open = kmsPlugin } = this.#deps;
    const transformer = new KmsTransformer(name, open(endpoint, parseDuration(timeout)), {
      clock,
      told(provider_, problem) {
        if (problem === undefined) log.info({ provider: provider_ }, 'the KMS plugin answers');
        else log.error({ provider: provider_, reason: problem }, 'the KMS plugin cannot be used');
      },
    });
    kms.push(transformer);
    return { prefix: `k8s:enc:kms:v2:${name}:`, transformer };
  }

  /** Undefined: its values are stored as they are, and what is encrypted cannot be read. */
  transformerOf(group: string, resource: string): Transformer | undefined {
    const all = this.#inUse?.byResource;
    return all?.get(`${group}/${resource}`) ?? all?.get(`${group}/*`) ?? all?.get('*/*');
  }

  /** Why keys cannot be had at present; undefined: they can. */
  problem(): string | undefined {
    const problems = (this.#inUse?.kms ?? []).flatMap(({ name, problem }) =>
      problem === undefined ? [] : [`${name}: ${problem}`],
    );
    return problems.length === 0 ? undefined : problems.join('; ');
  }

  /** Ends the connections to KMS plugins. */
  async close(): Promise<void> {
    for (const cancel of this.#closing.values()) cancel();
    const all = [...(this.#inUse === undefined ? [] : [this.#inUse]), ...this.#closing.keys()];
    this.#closing.clear();
    for (const { ended } of all) ended.abort();
    await Promise.all(all.map(({ running }) => running));
  }
}

function keyed(prefix: string, keys: readonly Key[], transformer: (key: Buffer) => Transformer, kind: string): Prefixed {
  const all = keys.map(({ name, secret }) => ({ prefix: `${name}:`, transformer: transformer(Buffer.from(secret, 'base64')) }));
  return { prefix, transformer: byPrefix(all, `no matching key was found for the provided ${kind} transformer`) };
}
