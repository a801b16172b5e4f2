/** OpenAPI v3 documents of this server and of aggregated ones under one index. */
import { createHash } from 'node:crypto';
import type { OpenApi } from '#api/schema/openapi.ts';
import type { RemoteDocument } from './remote-documents.ts';

/** Documents of aggregated servers are added to our own, or replace them. @param remoteOf returns a new array after each change */
export function mergedOpenApi(own: OpenApi, remoteOf: () => readonly RemoteDocument[]): OpenApi {
  let known: { own: unknown; remote: unknown } | undefined;
  const documentOf = (path: string): RemoteDocument | undefined =>
    remoteOf().find(({ service: { spec } }) => `apis/${spec.group}/${spec.version}` === path);
  return {
    version() {
      const now = { own: own.version(), remote: remoteOf() };
      if (known?.own !== now.own || known?.remote !== now.remote) known = now;
      return known;
    },
    customSchemas: () => own.customSchemas(),
    document(path) {
      const remote = documentOf(path);
      return remote === undefined ? own.document(path) : remote.openApi;
    },
    index() {
      const remote = remoteOf();
      if (remote.length === 0) return own.index();
      const { paths } = JSON.parse(Buffer.from(own.index()).toString('utf8')) as { paths: Record<string, unknown> };
      for (const { service, openApi } of remote) {
        const path = `apis/${service.spec.group}/${service.spec.version}`;
        if (openApi === undefined) delete paths[path];
        else paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${hashOf(openApi)}` };
      }
      const sorted = Object.entries(paths).sort(([a], [b]) => (a < b ? -1 : 1));
      return Buffer.from(JSON.stringify({ paths: Object.fromEntries(sorted) }));
    },
  };
}

const hashOf = (bytes: Uint8Array): string => createHash('sha512').update(bytes).digest('hex').toUpperCase();
