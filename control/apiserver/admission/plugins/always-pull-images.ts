/**
 * AlwaysPullImages: containers always pull their images, so that nobody runs an image without permission to pull it. Off by default.
 *
 * Source: upstream `plugin/pkg/admission/alwayspullimages`.
 */
import { notSupported } from '#api/field-error.ts';
import type { Pod } from '#api/types.generated.ts';
import { type AdmissionAttributes, type AdmissionPlugin, admissionForbidden, concerns } from '../plugin.ts';

/** @throws (when asked) ApiError 403 if another plugin has set another policy afterwards */
export const alwaysPullImages = (): AdmissionPlugin => ({
  name: 'AlwaysPullImages',
  handles: (operation) => operation === 'create' || operation === 'update',

  mutate(attributes) {
    if (!isAboutImages(attributes)) return;
    const pod = attributes.object as Pod;
    for (const { container } of containersOf(pod)) container.imagePullPolicy = 'Always';
    for (const { image } of pod.spec.volumes ?? []) if (image !== undefined) image.pullPolicy = 'Always';
  },

  validate(attributes) {
    if (!isAboutImages(attributes)) return;
    const pod = attributes.object as Pod;
    const policies = [
      ...containersOf(pod).map(({ container, path }) => [`${path}.imagePullPolicy`, container.imagePullPolicy ?? ''] as const),
      ...(pod.spec.volumes ?? []).flatMap(({ image }, index) =>
        image === undefined ? [] : [[`spec.volumes[${index}].image.pullPolicy`, image.pullPolicy ?? ''] as const],
      ),
    ];
    const wrong = policies.find(([, policy]) => policy !== 'Always');
    if (wrong === undefined) return;
    const { field, message } = notSupported(wrong[0], wrong[1], ['Always']);
    throw admissionForbidden(attributes, `${field}: ${message}`);
  },
});

/** Whether the pod is new or has a new image. */
function isAboutImages(attributes: AdmissionAttributes): boolean {
  if (!concerns(attributes, '', 'pods')) return false;
  if (attributes.operation !== 'update') return true;
  const before = new Set(containersOf(attributes.oldObject as Pod).map(({ container }) => container.image));
  return containersOf(attributes.object as Pod).some(({ container }) => !before.has(container.image));
}

const containersOf = ({ spec }: Pod) =>
  (['initContainers', 'containers', 'ephemeralContainers'] as const).flatMap((list) =>
    (spec[list] ?? []).map((container, index) => ({ container, path: `spec.${list}[${index}]` })),
  );
