/**
 * The paths of an OpenAPI v3 document: the operations on each resource and their parameters. kubectl reads from them whether the
 * server validates fields itself (`fieldValidation` of the PATCH of a kind). Client generators read all of them.
 *
 * Source: kubernetes.io, "The Kubernetes API"; apiserver `pkg/endpoints/installer.go` (names, parameters, status codes).
 */
import { apiVersionOf } from '#api/meta.ts';
import type { Resource, Subresource } from '#api/resources.ts';
import { bindingResource, type ReviewResource } from '#api/review-resources.ts';
import { typeFacts, typeForKind } from './facts.ts';
import { capital, openApiName, shortGroup, tagOf } from './openapi-names.ts';
import {
  deleteQuery,
  listQuery,
  objectMedia,
  optionQueries,
  type Parameters,
  patchMedia,
  selectionQuery,
  watchMedia,
  writeQuery,
} from './openapi-parameters.ts';

type Json = Record<string, unknown>;

/** The path of the group and version, without the leading slash: `api/v1`, `apis/apps/v1`. */
export function groupPath({ group, version }: Pick<Resource, 'group' | 'version'>): string {
  return group === '' ? `api/${version}` : `apis/${group}/${version}`;
}

/** The types in the bodies of a resource's operations: the resource itself, its list, and the types of its subresources. */
export function carriedTypes(resource: Resource): string[] {
  const kinds = resource.subresources.map(({ group, version, kind }) => typeForKind(apiVersionOf(group, version), kind));
  return [resource.schema, listType(resource), ...kinds.filter((name) => name !== undefined)];
}

/** The kinds of one group and version. */
export interface ServedKinds {
  stored: readonly Resource[];
  /** Kinds that can only be created. */
  reviews: readonly ReviewResource[];
}

/** All paths of one group and version. */
export function groupPaths({ stored, reviews }: ServedKinds): Json {
  const first = stored[0] ?? reviews[0];
  if (first === undefined) return {};
  const root = `/${groupPath(first)}`;
  const createdOnly = first.group === bindingResource.group ? [...reviews, bindingResource] : reviews;
  const made = createdOnly.map((resource) => createdOnlyPath(root, resource));
  return Object.fromEntries([[`${root}/`, discoveryItem(first)], ...made, ...stored.flatMap(pathsOf)]);
}

const listType = (resource: Resource): string => `${resource.schema}List`;
const deleteOptions = 'meta/v1.DeleteOptions';
const success = 'meta/v1.Status';

interface Operation {
  method: 'get' | 'put' | 'post' | 'delete' | 'options' | 'head' | 'patch';
  /** The operation's id, with `{}` in place of group, version and `Namespaced`: `list{}Pod`. */
  id: string;
  action: string;
  query?: Parameters;
  pretty?: boolean;
  body?: { type: string; media?: readonly string[]; optional?: true };
  /** Type of the reply; undefined for plain text. */
  answer: string | undefined;
  answerMedia?: readonly string[];
  codes?: readonly string[];
}

type Gvk = Pick<Resource, 'group' | 'version' | 'kind'>;
interface Place {
  path: string;
  /** The resource whose group and version appear in operation ids and tags. */
  resource: Gvk & Pick<Resource, 'namespaced'> & { watched?: boolean };
  /** The parameters in the path. */
  inPath: readonly string[];
  gvk: Gvk;
  subresource?: string;
}

function pathsOf(resource: Resource): [string, Json][] {
  const { kind, schema, namespaced, plural } = resource;
  const gvk = { group: resource.group, kind, version: resource.version };
  const root = `/${groupPath(resource)}`;
  const inNamespace = namespaced ? '/namespaces/{namespace}' : '';
  const scope = namespaced ? ['namespace'] : [];
  const watched = resource.verbs.includes('watch');
  const at = (path: string, inPath: readonly string[]): Place => ({
    path: `${root}${path}`,
    resource: { ...resource, watched },
    inPath,
    gvk,
  });
  const collection = at(`${inNamespace}/${plural}`, scope);
  const one = at(`${inNamespace}/${plural}/{name}`, ['name', ...scope]);
  const list = (id: string): Operation => ({
    method: 'get',
    id,
    action: 'list',
    query: listQuery,
    answer: listType(resource),
    answerMedia: watchMedia,
  });
  const watch = (id: string, action: string): Operation => ({ ...list(id), action, answer: 'meta/v1.WatchEvent' });
  const onCollection: Operation[] = [
    list(`list{}${kind}`),
    { method: 'post', id: `create{}${kind}`, action: 'post', ...writes(schema), codes: ['200', '201', '202'] },
    {
      method: 'delete',
      id: `delete{}Collection${kind}`,
      action: 'deletecollection',
      query: { ...deleteQuery, ...selectionQuery },
      body: { type: deleteOptions, optional: true },
      answer: success,
    },
  ];
  // The reply is the object as it was, or as it is being deleted (upstream's ReturnDeletedObject).
  const deleted = resource.returnsDeleted === 'yes' ? schema : success;
  const onOne: Operation[] = [
    ...objectOperations(kind, schema),
    {
      method: 'delete',
      id: `delete{}${kind}`,
      action: 'delete',
      query: deleteQuery,
      body: { type: deleteOptions, optional: true },
      answer: deleted,
      codes: ['200', '202'],
    },
  ];
  const everywhere: [string, Json][] = [
    item(at(`/${plural}`, []), [list(`list{!}${kind}ForAllNamespaces`)]),
    ...(watched ? [item(at(`/watch/${plural}`, []), [watch(`watch{!}${kind}ListForAllNamespaces`, 'watchlist')])] : []),
  ];
  const watches: [string, Json][] = [
    item(at(`/watch${inNamespace}/${plural}`, scope), [watch(`watch{}${kind}List`, 'watchlist')]),
    item(at(`/watch${inNamespace}/${plural}/{name}`, ['name', ...scope]), [watch(`watch{}${kind}`, 'watch')]),
  ];
  const allowed = ({ action }: Operation): boolean => resource.verbs.includes(verbOf[action] ?? action);
  return [
    ...(namespaced ? everywhere : []),
    item(collection, onCollection.filter(allowed)),
    item(one, onOne.filter(allowed)),
    ...resource.subresources.flatMap((sub) => subresourcePaths(one, resource, sub)),
    ...(watched ? watches : []),
  ];
}

/** The verbs of actions that have another name. */
const verbOf: Readonly<Record<string, string>> = { post: 'create', put: 'update' };

const writes = (type: string) => ({ query: writeQuery, body: { type }, answer: type });

function objectOperations(subject: string, type: string): Operation[] {
  return [
    { method: 'get', id: `read{}${subject}`, action: 'get', answer: type },
    { method: 'put', id: `replace{}${subject}`, action: 'put', ...writes(type), codes: ['200', '201'] },
    {
      method: 'patch',
      id: `patch{}${subject}`,
      action: 'patch',
      query: { ...writeQuery, force: 'boolean' },
      body: { type: 'meta/v1.Patch', media: patchMedia },
      answer: type,
      codes: ['200', '201'],
    },
  ];
}

function subresourcePaths(one: Place, resource: Resource, sub: Subresource): [string, Json][] {
  const { name, group, version, kind } = sub;
  const subject = `${resource.kind}${capital(name)}`;
  const place: Place = { ...one, path: `${one.path}/${name}`, gvk: { group, kind, version }, subresource: name };
  const query = optionQueries[name];
  if (name === 'log')
    return [item(place, [{ method: 'get', id: `read{}${subject}`, action: 'get', query: query ?? {}, answer: undefined }])];
  if (query !== undefined) {
    const connects = (suffix: string): Operation[] =>
      connectMethods(name).map((method) => connect(method, subject, suffix, query));
    const below = { ...place, path: `${place.path}/{path}`, inPath: [...place.inPath, 'path'] };
    return [item(place, connects('')), ...(name === 'proxy' ? [item(below, connects('WithPath'))] : [])];
  }
  const type = typeForKind(apiVersionOf(group, version), kind) ?? resource.schema;
  const operations = objectOperations(subject, type).filter(({ action }) => sub.verbs.includes(verbOf[action] ?? action));
  const create: Operation = {
    method: 'post',
    id: `create{}${subject}`,
    action: 'post',
    ...writes(type),
    codes: ['200', '201', '202'],
  };
  return [item(place, sub.verbs.includes('create') ? [...operations, create] : operations)];
}

function connectMethods(name: string): Operation['method'][] {
  return name === 'proxy' ? ['get', 'put', 'post', 'delete', 'options', 'head', 'patch'] : ['get', 'post'];
}

function connect(method: Operation['method'], subject: string, suffix: string, query: Parameters): Operation {
  const id = `connect{${capital(method)}}${subject}${suffix}`;
  return { method, id, action: 'connect', query, pretty: false, answer: undefined, answerMedia: ['*/*'] };
}

function createdOnlyPath(root: string, resource: ReviewResource): [string, Json] {
  const { group, version, kind, plural, namespaced, schema } = resource;
  const place = {
    path: `${root}${namespaced ? '/namespaces/{namespace}' : ''}/${plural}`,
    resource,
    inPath: namespaced ? ['namespace'] : [],
    gvk: { group, kind, version },
  };
  return item(place, [
    { method: 'post', id: `create{}${kind}`, action: 'post', ...writes(schema), codes: ['200', '201', '202'] },
  ]);
}

function discoveryItem({ group, version }: Gvk): Json {
  const id = `get${groupId({ group, version })}APIResources`;
  const content = contentOf(objectMedia, { $ref: reference('meta/v1.APIResourceList') });
  return { get: { description: 'get available resources', ...plainRead(tagOf({ group, version }), id, content) } };
}

/** A GET that belongs to no kind: its tag, id and answers. */
export function plainRead(tag: string, id: string, content: Json): Json {
  return {
    tags: [tag],
    operationId: id,
    responses: { '200': { description: 'OK', content }, '401': { description: 'Unauthorized' } },
  };
}

/** Builds a path item. Parameters that all operations of a path share are written once, on the path. */
function item(place: Place, operations: readonly Operation[]): [string, Json] {
  const queries = operations.map(
    ({ query = {}, pretty = true }): Parameters => (pretty ? { ...query, pretty: 'string' } : query),
  );
  const [first = {}] = queries;
  const shared = Object.fromEntries(
    Object.entries(first).filter(([name]) => queries.every((query) => Object.hasOwn(query, name))),
  );
  const made = operations.map((operation, index) => {
    const own = Object.fromEntries(Object.entries(queries[index] ?? {}).filter(([name]) => !Object.hasOwn(shared, name)));
    return [operation.method, operationOf(operation, place, parametersOf(own))];
  });
  const inPath = place.inPath.map((name) => parameter(name, 'path', 'string'));
  const parameters = [...inPath, ...parametersOf(shared)].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  return [place.path, { ...Object.fromEntries(made), ...(parameters.length === 0 ? {} : { parameters }) }];
}

function operationOf(operation: Operation, place: Place, parameters: readonly Json[]): Json {
  const { action, body, answer, answerMedia, codes = ['200'] } = operation;
  const schema = answer === undefined ? { type: 'string' } : { $ref: reference(answer) };
  const all = answerMedia ?? (answer === undefined ? ['text/plain', ...objectMedia] : objectMedia);
  // Custom resources have no form in protobuf, and nothing says how they are merged strategically.
  const isCustom = 'schema' in place.resource && typeFacts(place.resource.schema as string).open && place.subresource !== 'scale';
  const offered = (types: readonly string[]): readonly string[] =>
    isCustom ? types.filter((type) => !/protobuf|strategic/.test(type)) : types;
  const media = offered(all);
  const descriptions: Readonly<Record<string, string>> = { '200': 'OK', '201': 'Created', '202': 'Accepted' };
  const answers = codes.map((code) => [code, { description: descriptions[code], content: contentOf(media, schema) }]);
  return {
    description: operationText(operation, place),
    tags: [tagOf(place.resource)],
    operationId: operationId(operation.id, place.resource),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: requestBody({ ...body, media: offered(body.media ?? ['*/*']) }) }),
    responses: { ...Object.fromEntries(answers), '401': { description: 'Unauthorized' } },
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': place.gvk,
  };
}

/** Upstream's description of an operation. Source: apiserver `pkg/endpoints/installer.go` */
function operationText({ action, method }: Operation, { resource, subresource }: Place): string {
  const { kind } = resource;
  const one = `${article(kind)}${kind}`;
  const part = subresource === undefined ? '' : `${subresource} of `;
  const theOne = `${part}the specified ${kind}`;
  const watchInstead = "deprecated: use the 'watch' parameter with a list operation instead";
  const texts: Readonly<Record<string, string>> = {
    get: `read ${theOne}`,
    list: `${resource.watched ? 'list or watch' : 'list'} objects of kind ${kind}`,
    put: `replace ${theOne}`,
    patch: `partially update ${theOne}`,
    post: `create ${part}${one}`,
    delete: `delete ${one}`,
    deletecollection: `delete collection of ${kind}`,
    watch: `watch changes to an object of kind ${kind}. ${watchInstead}, filtered to a single item with the 'fieldSelector' parameter.`,
    watchlist: `watch individual changes to a list of ${kind}. ${watchInstead}.`,
    connect: `connect ${method.toUpperCase()} requests to ${part}${kind}`,
  };
  return texts[action] ?? '';
}

/** Plurals (Endpoints) have no article. */
function article(kind: string): string {
  if (/[^s]s$/.test(kind)) return '';
  return /^[AEIOU]/.test(kind) ? 'an ' : 'a ';
}

function requestBody({ type, media = ['*/*'], optional }: NonNullable<Operation['body']>): Json {
  return { content: contentOf(media, { $ref: reference(type) }), ...(optional === true ? {} : { required: true }) };
}

/**
 * Fills in an operation's id: `list{}Pod` → `listCoreV1NamespacedPod`. `{!}` leaves out the scope, `{Get}` puts a method before
 * it.
 */
function operationId(id: string, { group, version, namespaced }: Place['resource']): string {
  return id
    .replace(/\{(.*?)\}/, (_whole, method: string) =>
      method === '!' ? groupId({ group, version }) : `${groupId({ group, version })}${method}${namespaced ? 'Namespaced' : ''}`,
    )
    .replace(/Namespaced(Collection)/, '$1Namespaced');
}

/** The group and version in operation ids: `apps` → `AppsV1`, `events.k8s.io` → `EventsV1`. */
function groupId({ group, version }: Pick<Gvk, 'group' | 'version'>): string {
  return `${capital(shortGroup(group))}${capital(version)}`;
}

const reference = (type: string): string => `#/components/schemas/${openApiName(type)}`;

interface Parameter extends Json {
  name: string;
}

function parametersOf(query: Parameters): Parameter[] {
  return Object.entries(query).map(([name, type]) => parameter(name, 'query', type));
}

function parameter(name: string, place: 'path' | 'query', type: string): Parameter {
  const required = place === 'path' ? { required: true } : {};
  return { name, in: place, ...required, schema: { type, uniqueItems: true } };
}

function contentOf(types: readonly string[], schema: Json): Json {
  return Object.fromEntries(types.map((type) => [type, { schema }]));
}
