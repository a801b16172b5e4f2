/** Annotations of pods that several parts read. Source: core/v1 `annotation_key_constants.go`. */

/** On a mirror pod: the hash of the static pod that it shows. */
export const mirrorAnnotation = 'kubernetes.io/config.mirror';
/** An int32: of pods that are alike in all else, those with less go first when a ReplicaSet shrinks. */
export const podDeletionCostAnnotation = 'controller.kubernetes.io/pod-deletion-cost';
