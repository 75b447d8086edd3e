"""Read faces from the outputs of CenterFace: each face is a peak of the heat map."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torchvision.ops import batched_nms

from pipeline.faces.detection.face_detector import Detections

STRIDE = 4  # px of a picture for each cell of the heat map
MAX_OVERLAP = 0.3  # intersection over union of two faces; else they are one face
MAX_FACES = 200  # in a picture


def decode(
    outputs: Sequence[torch.Tensor], threshold: float, size: tuple[int, int]
) -> list[Detections]:
    """The faces in each of B pictures, the most certain first.

    The outputs are the heat map (B, 1, h, w); height and width of faces (B, 2, h, w),
    as logarithms of cells; their offsets (B, 2, h, w), down and right in cells; and
    five landmarks (B, 10, h, w), each down and right of the corner of the box, in
    heights and widths. A face is a peak of at least `threshold` that is inside of
    `size`, (height, width) px. Boxes end at the border of the picture.

    All is computed on the device of the outputs; only faces are copied from it.
    """
    heat = outputs[0].float()
    batch, _, _, columns = heat.shape
    peaks = torch.where(heat == F.max_pool2d(heat, 3, 1, 1), heat, 0.0).flatten(1)
    scores, index = peaks.topk(min(MAX_FACES, peaks.shape[1]), dim=1)  # (B, K)
    fields = torch.cat([part.float().flatten(2) for part in outputs[1:]], 1)
    places = index[:, None].expand(-1, fields.shape[1], -1)
    fields = fields.gather(2, places).transpose(1, 2)  # (B, K, 14)
    extent = fields[..., :2].clamp(max=10.0).exp() * STRIDE  # height, width
    cell = torch.stack([index // columns, index % columns], -1)
    centre = (cell + fields[..., 2:4] + 0.5) * STRIDE  # down, right
    limits = torch.tensor(size, device=heat.device, dtype=heat.dtype)
    is_face = (scores >= threshold) & (centre < limits).all(-1)
    extent, centre, scores = extent[is_face], centre[is_face], scores[is_face]
    frame = torch.arange(batch, device=heat.device)[:, None].expand_as(index)[is_face]
    corner = centre - extent / 2  # (M, 2): top, left
    ends = torch.stack([corner, corner + extent], 1).clamp(min=0.0)
    boxes = torch.minimum(ends, limits).flip(-1).flatten(1)  # left, top, right, bottom
    points = fields[is_face][:, 4:].unflatten(1, (5, 2)) * extent[:, None]
    points = (points + corner[:, None]).flip(-1)  # x, y
    kept = batched_nms(boxes, scores, frame, MAX_OVERLAP)
    of_frame, *values = (v[kept].cpu().numpy() for v in (frame, boxes, scores, points))
    return [
        Detections(*(value[of_frame == number] for value in values))
        for number in range(batch)
    ]
