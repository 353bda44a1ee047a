import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What pods are made of that do nothing, and the containers that hold their namespaces. */
export const BOX_IMAGE = "localhost/box:1";

/**
 * An archive of an image that is a static busybox, and sleeps: nodes here reach no registry. In the format
 * of `docker save`, which takes no builder.
 */
export function boxImage(busybox: string, folder: string): string {
  const root = join(folder, "box-root");
  const layout = join(folder, "box-layout");
  const archive = join(folder, "box.tar");
  for (const made of [root, layout]) {
    rmSync(made, { recursive: true, force: true });
    mkdirSync(made, { recursive: true });
  }
  mkdirSync(join(root, "bin"));
  copyFileSync(busybox, join(root, "bin/busybox"));
  execFileSync("chmod", ["755", join(root, "bin/busybox")]);
  for (const name of ["sh", "sleep"]) symlinkSync("busybox", join(root, "bin", name));
  const layer = join(layout, "layer.tar");
  execFileSync("tar", ["--owner=0", "--group=0", "--mtime=@0", "-C", root, "-cf", layer, "."]);
  const digest = createHash("sha256").update(readFileSync(layer)).digest("hex");
  writeFileSync(
    join(layout, "config.json"),
    JSON.stringify({
      architecture: "amd64",
      os: "linux",
      config: { Entrypoint: ["/bin/sleep", "2000000000"], Env: ["PATH=/bin"] },
      rootfs: { type: "layers", diff_ids: [`sha256:${digest}`] },
    }),
  );
  writeFileSync(
    join(layout, "manifest.json"),
    JSON.stringify([{ Config: "config.json", RepoTags: [BOX_IMAGE], Layers: ["layer.tar"] }]),
  );
  execFileSync("tar", ["-C", layout, "-cf", archive, "manifest.json", "config.json", "layer.tar"]);
  return archive;
}
