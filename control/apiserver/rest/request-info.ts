/**
 * What a request is about, read from its method and path alone: resource or not, verb, group, namespace, name, subresource.
 *
 * Source: apiserver `pkg/endpoints/request/requestinfo.go`.
 */

import { queryBool } from '#api/query-options.ts';
import { parseQuery, parseTarget } from '../serving/request-target.ts';

/** What a request asks, from its method and path. Fields that the path does not name are empty. */
export interface RequestInfo {
  /** Percent-decoded, without query. */
  path: string;
  query: URLSearchParams;
  isResource: boolean;
  /** API verb for resources (`list`, `deletecollection` …), lower-case method otherwise. */
  verb: string;
  group: string;
  version: string;
  namespace: string;
  resource: string;
  name: string;
  subresource: string;
  /** Path parts after resource/name/subresource, for proxies. */
  rest: string[];
}

const methodVerbs: Readonly<Record<string, string>> = {
  POST: 'create',
  GET: 'get',
  HEAD: 'get',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

const namespaceSubresources = new Set(['status', 'finalize']);

/** Reads method and request target. A target that `parseTarget` cannot read is no resource, so no route matches it. */
export function parseRequestInfo(method: string, target: string): RequestInfo {
  const { path, rawQuery } = parseTarget(method, target) ?? { path: target, rawQuery: '' };
  const query = parseQuery(rawQuery);
  const info: RequestInfo = {
    path,
    query,
    isResource: false,
    verb: method.toLowerCase(),
    group: '',
    version: '',
    namespace: '',
    resource: '',
    name: '',
    subresource: '',
    rest: [],
  };
  // As in go-restful, trailing slashes are ignored, and with any other empty part no route matches.
  if (!path.startsWith('/') || path.startsWith('//')) return info;
  let parts = path.slice(1).split('/');
  parts = parts.slice(0, parts.findLastIndex((part) => part !== '') + 1);
  const prefix = parts[0];
  if ((prefix !== 'api' || parts.length < 3) && (prefix !== 'apis' || parts.length < 4)) return info;
  info.group = prefix === 'apis' ? (parts[1] ?? '') : '';
  info.version = (prefix === 'apis' ? parts[2] : parts[1]) ?? '';
  if (info.version === '' || (prefix === 'apis' && info.group === '')) return info;
  parts = parts.slice(prefix === 'apis' ? 3 : 2);
  // What follows a subresource is a path of the server that is proxied to.
  const named = parts[0] === 'watch' ? parts.slice(1, 6) : parts.slice(0, 5);
  if (named.slice(0, parts.includes('proxy') ? parts.indexOf('proxy') : undefined).includes('')) return info;
  info.isResource = true;
  info.verb = methodVerbs[method] ?? '';
  const legacyWatch = parts[0] === 'watch' && parts.length > 1;
  if (legacyWatch) parts = parts.slice(1);
  readParts(info, parts);
  if (info.verb === 'get' && (legacyWatch || info.name === '')) {
    info.verb = legacyWatch || queryBool(query, 'watch') ? 'watch' : 'list';
  } else if (info.verb === 'delete' && info.name === '') {
    info.verb = 'deletecollection';
  }
  return info;
}

function readParts(info: RequestInfo, parts: string[]): void {
  let rest = parts;
  if (rest[0] === 'namespaces' && rest[1] !== undefined) {
    info.namespace = rest[1];
    if (rest[2] !== undefined && !namespaceSubresources.has(rest[2])) rest = rest.slice(2);
  }
  info.resource = rest[0] ?? '';
  info.name = rest[1] ?? '';
  info.subresource = rest[2] ?? '';
  info.rest = rest.slice(3);
}
