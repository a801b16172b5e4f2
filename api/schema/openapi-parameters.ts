/**
 * The query parameters and media types of operations, as the OpenAPI documents list them.
 *
 * Source: apiserver `pkg/endpoints/installer.go`.
 */

/** Parameters by name, with their type. */
export type Parameters = Readonly<Record<string, 'string' | 'boolean' | 'integer'>>;

/** Parameters of writes. */
export const writeQuery = { dryRun: 'string', fieldManager: 'string', fieldValidation: 'string' } as const;
/** Parameters of deletes. */
export const deleteQuery = {
  dryRun: 'string',
  gracePeriodSeconds: 'integer',
  ignoreStoreReadErrorWithClusterBreakingPotential: 'boolean',
  orphanDependents: 'boolean',
  propagationPolicy: 'string',
} as const;
/** Parameters that select objects of a collection. */
export const selectionQuery = {
  continue: 'string',
  fieldSelector: 'string',
  labelSelector: 'string',
  limit: 'integer',
  resourceVersion: 'string',
  resourceVersionMatch: 'string',
  sendInitialEvents: 'boolean',
  shardSelector: 'string',
  timeoutSeconds: 'integer',
} as const;
/** Parameters of lists and watches. */
export const listQuery = { ...selectionQuery, allowWatchBookmarks: 'boolean', watch: 'boolean' } as const;

const attachQuery = { container: 'string', stderr: 'boolean', stdin: 'boolean', stdout: 'boolean', tty: 'boolean' } as const;
/** The query parameters of subresources that carry no object (core/v1 `PodExecOptions` and the like). */
export const optionQueries: Readonly<Record<string, Parameters>> = {
  attach: attachQuery,
  exec: { ...attachQuery, command: 'string' },
  portforward: { ports: 'integer' },
  proxy: { path: 'string' },
  log: {
    container: 'string',
    follow: 'boolean',
    insecureSkipTLSVerifyBackend: 'boolean',
    limitBytes: 'integer',
    previous: 'boolean',
    sinceSeconds: 'integer',
    stream: 'string',
    tailLines: 'integer',
    timestamps: 'boolean',
  },
};

/** Media types are listed in upstream's order, which the v2 document shows. */
export const objectMedia = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];
/** Media types of lists and watches. */
export const watchMedia = [...objectMedia, 'application/json;stream=watch', 'application/vnd.kubernetes.protobuf;stream=watch'];
/** Media types of patches. */
export const patchMedia = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
];
