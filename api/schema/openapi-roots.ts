/**
 * The OpenAPI v3 documents of paths that belong to no group and version: the lists of groups and versions, the server's version,
 * and what others need to check service-account tokens.
 *
 * Source: apiserver `pkg/endpoints/discovery/{root,group,legacy}.go`, `pkg/server/routes/{version,openidmetadata}.go`.
 */
import { isBuiltInGroup } from '#api/group-priorities.ts';
import { capital, openApiName, shortGroup } from './openapi-names.ts';
import { objectMedia } from './openapi-parameters.ts';
import { plainRead } from './openapi-paths.ts';

type Json = Record<string, unknown>;

/** The path item of a document with only one path. */
export interface RootDocument {
  paths: Json;
  /** The type of the answer in the schema facts; undefined when the answer is text. */
  type: string | undefined;
}

/** The documents by name (`api`, `apis/apps`, `version`). Groups that are added at run time have none, as in upstream. */
export function rootDocuments(groups: Iterable<string>): ReadonlyMap<string, RootDocument> {
  const found = new Map<string, RootDocument>();
  const add = (name: string, what: { text: string; tag: string; id: string; media: string[]; type?: string }): void => {
    const schema = what.type === undefined ? { type: 'string' } : { $ref: `#/components/schemas/${openApiName(what.type)}` };
    const content = Object.fromEntries(what.media.map((media) => [media, { schema }]));
    const paths = { [`/${name}/`]: { get: { description: what.text, ...plainRead(what.tag, what.id, content) } } };
    found.set(name, { paths, type: what.type });
  };
  const versions = { text: 'get available API versions', media: objectMedia };
  add('api', { ...versions, tag: 'core', id: 'getCoreAPIVersions', type: 'meta/v1.APIVersions' });
  add('apis', { ...versions, tag: 'apis', id: 'getAPIVersions', type: 'meta/v1.APIGroupList' });
  for (const group of new Set(groups)) {
    if (group === '' || !isBuiltInGroup(group)) continue;
    const tag = shortGroup(group);
    add(`apis/${group}`, {
      text: 'get information of a group',
      tag,
      id: `get${capital(tag)}APIGroup`,
      media: objectMedia,
      type: 'meta/v1.APIGroup',
    });
  }
  add('version', {
    text: 'get the version information for this server',
    tag: 'version',
    id: 'getCodeVersion',
    media: ['application/json'],
    type: 'version.Info',
  });
  add('.well-known/openid-configuration', {
    text: "get service account issuer OpenID configuration, also known as the 'OIDC discovery doc'",
    tag: 'WellKnown',
    id: 'getServiceAccountIssuerOpenIDConfiguration',
    media: ['application/json'],
  });
  add('openid/v1/jwks', {
    text: 'get service account issuer OpenID JSON Web Key Set (contains public token verification keys)',
    tag: 'openid',
    id: 'getServiceAccountIssuerOpenIDKeyset',
    media: ['application/jwk-set+json'],
  });
  return found;
}
