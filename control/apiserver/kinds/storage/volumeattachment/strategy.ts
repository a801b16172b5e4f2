/** VolumeAttachments. Source: upstream `pkg/registry/storage/volumeattachment/strategy.go`. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import { defineKind } from '../../define-kind.ts';
import { volumeAttachmentColumns } from './columns.ts';
import { validateAttachment, validateSpecKept } from './validation.ts';

/** Has `/status`, which the external attacher writes. The spec is immutable. */
export const volumeAttachmentKind = defineKind({
  resource: 'volumeattachments.storage.k8s.io',
  cluster: true,
  names: nameIsDnsSubdomain,
  allowUnconditionalUpdate: false,
  checkedAgain: 'first',
  defaults(object) {
    object.spec ??= { attacher: '', nodeName: '', source: {} };
    object.spec.source ??= {};
  },
  status: {
    initial: () => ({ attached: false }),
    keeps: ['labels', 'annotations', 'ownerReferences', 'finalizers'],
    validate: validateAttachment,
  },
  validate: validateAttachment,
  validateUpdate: validateSpecKept,
  columns: volumeAttachmentColumns,
});
