/** image: an OCI image as a volume. Source: upstream `pkg/volume/image/image.go`; KEP-4639. */
import { nothingOnDisk, type VolumePlugin } from '../plugin.ts';

/** `kubernetes.io/image`. The runtime mounts the image; the kubelet pulls it when the first container that mounts it starts. */
export const imagePlugin = (): VolumePlugin => ({
  name: 'kubernetes.io/image',
  supports: ({ image }) => image !== undefined,
  requiresRemount: () => false,
  ...nothingOnDisk,
  setUp: async () => ({ hostPath: '', readOnly: true }),
});
