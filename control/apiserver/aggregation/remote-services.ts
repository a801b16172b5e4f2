/**
 * The groups and versions that other servers serve: an index of the stored APIServices with a service, updated by the watch caches.
 *
 * Source: kube-aggregator `pkg/apiserver/apiserver.go` (AddAPIService, RemoveAPIService).
 */
import type { APIService } from '#api/types.generated.ts';
import type { CacheFollower } from '../cache/cache-feed.ts';
import type { RequestInfo } from '../rest/request-info.ts';

/** The storage prefix of APIServices. */
const storagePrefix = '/registry/apiregistration.k8s.io/apiservices';

/** An APIService of another server. */
export type RemoteService = APIService & { spec: { group: string; version: string; service: Reference } };

interface Reference {
  namespace: string;
  name: string;
  port: number;
}

/** The APIServices of other servers, by group and version. */
export class RemoteServices {
  readonly #byPath = new Map<string, RemoteService>();
  readonly #listeners = new Set<() => void>();
  #all: readonly RemoteService[] = [];

  /** Listeners for changes of stored objects. */
  get follower(): readonly [storagePrefix: string, follower: CacheFollower] {
    return [
      storagePrefix,
      {
        replaced: (objects) => {
          this.#byPath.clear();
          for (const { object } of objects) this.#put(object as APIService);
          this.#tell();
        },
        changed: ({ previous, current }) => {
          const [before, now] = [previous, current].map((one) => one?.object as APIService | undefined);
          if (before !== undefined) this.#byPath.delete(pathOf(before));
          if (now !== undefined) this.#put(now);
          this.#tell();
        },
      },
    ];
  }

  /** All of them. The same array until one changes. */
  all(): readonly RemoteService[] {
    return this.#all;
  }

  /** The APIService of a request path: `/apis/<group>/<version>` and everything below. */
  find({ path }: Pick<RequestInfo, 'path'>): RemoteService | undefined {
    if (this.#byPath.size === 0 || !path.startsWith('/apis/')) return undefined;
    const [, , group = '', version = ''] = path.split('/', 4);
    return this.#byPath.get(`${group}/${version}`);
  }

  /** Calls the listener after every change. */
  changed(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #put(service: APIService): void {
    // The core group has no path of its own below /apis: it is always served here.
    if (service.spec.service !== undefined && (service.spec.group ?? '') !== '')
      this.#byPath.set(pathOf(service), service as RemoteService);
  }

  #tell(): void {
    this.#all = [...this.#byPath.values()];
    for (const listener of this.#listeners) listener();
  }
}

const pathOf = ({ spec: { group = '', version = '' } }: APIService): string => `${group}/${version}`;
