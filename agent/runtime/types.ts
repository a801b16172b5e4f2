/**
 * The messages of CRI v1 as TypeScript types. The kubelet uses these types, and each runtime adapter translates them.
 *
 * Differences from the wire (`proto/cri.proto`): names are camelCase, enums are string unions with CRI's own values, wrapped
 * numbers are unwrapped, absent messages are `undefined`. Times are milliseconds since the epoch (`…AtMs`, `timestampMs`), with a
 * fraction when the runtime knows more digits; 0 means "not yet".
 *
 * Source: kubernetes cri-api, pkg/apis/runtime/v1.
 */

export type * from './types/containers.ts';
export type * from './types/images.ts';
export type * from './types/pod-sandboxes.ts';
export type * from './types/runtime-status.ts';
export type * from './types/shared.ts';
export type * from './types/stats.ts';
export type * from './types/streams.ts';
