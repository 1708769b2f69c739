import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

export interface OciLayout {
  readonly folder: string;
  /** The digests of its manifests: those of the platforms, and last the index with the tag `multi`. */
  readonly manifests: readonly string[];
}

/** Writes a layout with an image of one layer with the tag `single`, and one for two platforms with the tag `multi`. */
export function writeOciLayout(folder: string, text: string): OciLayout {
  const blobs = join(folder, 'blobs', 'sha256');
  mkdirSync(blobs, { recursive: true });
  const put = (mediaType: string, content: object): Descriptor => {
    const bytes = content instanceof Uint8Array ? content : Buffer.from(JSON.stringify(content));
    const hex = createHash('sha256').update(bytes).digest('hex');
    writeFileSync(join(blobs, hex), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  };
  const image = (architecture: string): Descriptor => {
    const config = { architecture, os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: [] } };
    return put(`${OCI}.manifest.v1+json`, {
      schemaVersion: 2,
      mediaType: `${OCI}.manifest.v1+json`,
      config: put(`${OCI}.config.v1+json`, config),
      // Compressed already: else the one who pushes compresses it, and every digest changes.
      layers: [put(`${OCI}.layer.v1.tar+gzip`, gzipSync(`${text} for ${architecture}`))],
    });
  };
  const platforms = ['amd64', 'arm64'].map((architecture) => ({
    ...image(architecture),
    platform: { architecture, os: 'linux' },
  }));
  const index = put(`${OCI}.index.v1+json`, {
    schemaVersion: 2,
    mediaType: `${OCI}.index.v1+json`,
    manifests: platforms,
  });
  const named = (descriptor: Descriptor, tag: string) => ({
    ...descriptor,
    annotations: { 'org.opencontainers.image.ref.name': tag },
  });
  const manifests = [named(index, 'multi'), ...platforms.slice(0, 1).map((one) => named(one, 'single'))];
  writeFileSync(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
  writeFileSync(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  return { folder, manifests: [...platforms, index].map(({ digest }) => digest) };
}

const OCI = 'application/vnd.oci.image';
