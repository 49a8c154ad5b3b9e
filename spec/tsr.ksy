# Both .tsr formats, TSR version 1 and TSR4, for Kaitai Struct: https://kaitai.io
#
# The parsers that kaitai-struct-compiler makes of this refuse what breaks a clause of tsr-v1.md and
# tsr4.md, in the order of these documents. A check of no field of its own is a field of no bytes.
# All arithmetic stays below 2 ** 63, or 2 ** 64 for what is read as u8: products are checked by
# division, sums by subtraction, so that nothing wraps in 64 bits. (A target language can have less:
# in JavaScript numbers beyond 2 ** 53 are rounded.)
#
# What Kaitai Struct does not say is left to who uses the parser: of a payload of TSR4, its zlib
# stream behind the first two bytes, and data_crc32. It is also for the user to ask, payload by
# payload, for `padding`, `stream_start` and `stored`: they are parsed, and checked, on demand.
#
# Keys that begin with "-" are not Kaitai's. conformance/kaitai.py makes an answer of them where
# a check fails: -clause is what it breaks, -field what is reported with it instead of its id, and
# -offset the instance that tells where that begins, if it does not begin where it was read. In the
# names, i is the number of a tensor and j that of an element; -of stands before all in its type.
meta:
  id: tsr
  title: Tensor files, TSR version 1 and TSR4 version 4.20
  file-extension: tsr
  endian: le
  license: Apache-2.0
  ks-version: '0.11'
doc: |
  A file of either format. A reader of both looks at the magic before all else: tsr-v1.md,
  section 7, and tsr4.md, section 8.
seq:
  - id: tsr4
    type: tsr4
    if: is_tsr4
    doc: A file that begins with the magic of TSR4 (tsr4.md, section 8).
  - id: v1
    type: v1
    if: not is_tsr4
    doc: Any other is held against version 1 (tsr-v1.md, section 7).
instances:
  magic:
    pos: 0
    size: 4
    doc: The magic of either format (tsr-v1.md, section 3; tsr4.md, section 3).
  is_tsr4:
    value: _io.size >= 4 and magic == [0x54, 0x53, 0x52, 0x34]
    doc: Whether it is that of TSR4 (tsr4.md, section 3).

types:
  v1:
    doc: TSR version 1, one tensor (tsr-v1.md, section 3).
    seq:
      - id: header_space
        size: 0
        valid:
          expr: _io.size >= 64
        -clause: V1-SIZE-1
        -field: header
        doc: The file holds the header (tsr-v1.md, section 6).
      - id: magic
        contents: TSR!
        -clause: V1-MAGIC-1
        doc: (tsr-v1.md, section 3)
      - id: version
        type: s4
        valid: 1
        -clause: V1-VERSION-1
        doc: (tsr-v1.md, section 3)
      - id: header_size
        type: s4
        valid: 64
        -clause: V1-HEADER-1
        doc: (tsr-v1.md, section 3)
      - id: reserved_1
        type: s4
        valid: 0
        -clause: V1-RESERVED-1
        doc: (tsr-v1.md, section 3)
      - id: dtype
        type: s4
        enum: dtype
        valid:
          in-enum: true
        -clause: V1-DTYPE-1
        doc: The type of the elements (tsr-v1.md, section 4).
      - id: ndim
        type: s4
        valid:
          min: 0
          max: 4
        -clause: V1-NDIM-1
        doc: The rank (tsr-v1.md, section 5).
      - id: dims
        type: s4
        repeat: expr
        repeat-expr: 4
        valid:
          min: 0
        -clause: V1-DIMS-1
        doc: The shape, right-aligned (tsr-v1.md, section 5).
      - id: unused
        size: 0
        repeat: expr
        repeat-expr: 4 - ndim
        valid:
          expr: dims[_index] == 1
        -clause: V1-DIMS-2
        -field: dims[j]
        doc: Unused dimensions are 1 (tsr-v1.md, section 5).
      - id: total_elements
        type: s8
        valid:
          expr: |
            dims[0] == 0 or dims[1] == 0 or dims[2] == 0 or dims[3] == 0
              ? _ == 0
              : _ % dims[0] == 0 and _ / dims[0] % dims[1] == 0
                and _ / dims[0] / dims[1] % dims[2] == 0
                and _ / dims[0] / dims[1] / dims[2] == dims[3]
        -clause: V1-TOTAL-1
        doc: The product of dims (tsr-v1.md, section 5).
      - id: span
        size: 0
        valid:
          expr: |
            0x7fffffffffffffff / itemsize / factors[3] / factors[2] / factors[1] >= factors[0]
        -clause: V1-LIMIT-1
        -field: dims
        doc: The span is at most 2 ** 63 - 1 (tsr-v1.md, sections 1 and 6).
      - id: reserved_2
        type: s8
        valid: 0
        -clause: V1-RESERVED-2
        doc: (tsr-v1.md, section 3)
      - id: reserved_3
        type: s8
        valid: 0
        -clause: V1-RESERVED-3
        doc: (tsr-v1.md, section 3)
      - id: payload_space
        size: 0
        valid:
          expr: _io.size - 64 >= total_elements * itemsize
        -clause: V1-PAYLOAD-1
        -field: payload
        doc: The file holds the payload (tsr-v1.md, section 6).
      - id: payload
        size: total_elements * itemsize
        doc: The elements, in C order (tsr-v1.md, sections 3 and 5).
      - id: end
        size: 0
        valid:
          expr: _io.eof
        -clause: V1-PAYLOAD-2
        -field: end of file
        doc: Nothing follows the payload (tsr-v1.md, section 6).
    instances:
      itemsize:
        value: 'dtype == dtype::int8 ? 1 : 4'
        doc: The bytes one element takes (tsr-v1.md, section 4).
      factors:
        value: |
          [dims[0] == 0 ? 1 : dims[0], dims[1] == 0 ? 1 : dims[1],
           dims[2] == 0 ? 1 : dims[2], dims[3] == 0 ? 1 : dims[3]]
        doc: The factors of the span (tsr-v1.md, section 1).
    enums:
      dtype:
        1: fp32
        2: int8
        3: int32

  tsr4:
    doc: TSR4, many tensors (tsr4.md, section 3).
    seq:
      - id: header
        type: tsr4_header
        doc: (tsr4.md, section 3)
      - id: entries
        type: tsr4_entry(_index)
        repeat: expr
        repeat-expr: header.tensor_count
        doc: The directory (tsr4.md, section 3).
      - id: payloads
        type: tsr4_payload(_index)
        repeat: expr
        repeat-expr: header.tensor_count
        doc: They are found by the directory (tsr4.md, section 6).
      - id: end
        size: 0
        valid:
          expr: _io.size == payloads_end
        -clause: T4-END-1
        -field: end of file
        -offset: payloads_end
        doc: Nothing follows the last payload (tsr4.md, section 7).
    instances:
      payloads_end:
        value: (entries.last.data_offset + entries.last.payload_size).as<u8>
        doc: Where the last payload ends (tsr4.md, section 6).

  tsr4_header:
    doc: The first 128 bytes (tsr4.md, section 3).
    seq:
      - id: space
        size: 0
        valid:
          expr: _io.size >= 128
        -clause: T4-SIZE-1
        -field: header
        doc: The file holds the header (tsr4.md, section 7).
      - id: magic
        contents: TSR4
        -clause: T4-MAGIC-1
        doc: (tsr4.md, section 3)
      - id: crc
        size: 0
        valid:
          expr: (sums.last.after ^ 0xffffffff) == header_crc32_ahead
        -clause: T4-CRC-1
        -field: header_crc32
        -offset: header_crc32_offset
        doc: The CRC-32 is checked before all that it covers (tsr4.md, sections 7 and 8).
      - id: version_major
        type: u2
        valid: 4
        -clause: T4-VERSION-1
        doc: (tsr4.md, section 3)
      - id: version_minor
        type: u2
        valid: 20
        -clause: T4-VERSION-2
        doc: (tsr4.md, section 3)
      - id: header_size
        type: u4
        valid: 128
        -clause: T4-HEADER-1
        doc: (tsr4.md, section 3)
      - id: file_mode
        type: u4
        enum: file_mode
        valid:
          in-enum: true
        -clause: T4-MODE-1
        doc: Whether payloads are compressed (tsr4.md, section 6).
      - id: tensor_count
        type: u4
        valid:
          min: 1
        -clause: T4-COUNT-1
        doc: N (tsr4.md, section 3).
      - id: entry_size
        type: u4
        valid: 64
        -clause: T4-ENTRY-1
        doc: (tsr4.md, section 3)
      - id: dir_offset
        type: u8
        valid: 128
        -clause: T4-DIRECTORY-1
        doc: (tsr4.md, section 3)
      - id: data_offset
        type: u8
        valid: 'is_raw ? (directory_end + 255) / 256 * 256 : directory_end'
        -clause: T4-DATA-1
        doc: Where the first payload begins (tsr4.md, section 6).
      - id: header_crc32
        type: u4
        doc: The CRC-32 of the header, with this field 0 (tsr4.md, section 3).
      - id: reserved_0
        type: u4
        valid: 0
        -clause: T4-RESERVED-1
        doc: (tsr4.md, section 3)
      - id: reserved_1
        contents: [
          0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
          0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
          0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
          0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        -clause: T4-RESERVED-2
        doc: (tsr4.md, section 3)
      - id: directory_space
        size: 0
        valid:
          expr: _io.size >= directory_end
        -clause: T4-DIRECTORY-2
        -field: directory
        doc: The file holds the directory (tsr4.md, section 7).
    instances:
      is_raw:
        value: file_mode == file_mode::raw
        doc: Whether payloads are the elements as they are (tsr4.md, section 6).
      directory_end:
        value: (128 + 64 * tensor_count.as<u8>).as<u8>
        doc: Where the contents begin (tsr4.md, section 6).
      header_crc32_offset:
        value: 40
        doc: (tsr4.md, section 3)
      header_crc32_ahead:
        pos: header_crc32_offset
        type: u4
        doc: header_crc32, before the fields in front of it (tsr4.md, section 8).
      sums:
        pos: 0
        type: |
          crc32_step(_index == 0 ? 0xffffffff : sums[_index - 1].after,
                     _index * 4 == header_crc32_offset)
        repeat: expr
        repeat-expr: 32
        doc: The CRC-32 of the header (tsr4.md, sections 1 and 7).
      remainders:
        value: |
          [0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158,
           0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4,
           0xa00ae278, 0xbdbdf21c]
        doc: Of each half of a byte by the polynomial of CRC-32 (tsr4.md, section 1).
    enums:
      file_mode:
        0: raw
        1: zlib

  crc32_step:
    doc: |
      Four bytes of what a CRC-32 is taken of (tsr4.md, section 1), half a byte at a time, by the
      polynomial EDB88320. The sum of all is inverted.
    params:
      - id: before
        type: u4
        doc: The sum of the bytes before, FFFFFFFF for none (tsr4.md, section 1).
      - id: is_taken_as_zero
        type: bool
        doc: Whether the bytes count as 0 (tsr4.md, section 7).
    seq:
      - id: stored
        type: u4
        doc: (tsr4.md, section 1)
    instances:
      both:
        value: 'is_taken_as_zero ? before : before ^ stored'
        doc: (tsr4.md, section 1)
      after_1:
        value: (both >> 4) ^ _parent.remainders[both & 15]
        doc: (tsr4.md, section 1)
      after_2:
        value: (after_1 >> 4) ^ _parent.remainders[after_1 & 15]
        doc: (tsr4.md, section 1)
      after_3:
        value: (after_2 >> 4) ^ _parent.remainders[after_2 & 15]
        doc: (tsr4.md, section 1)
      after_4:
        value: (after_3 >> 4) ^ _parent.remainders[after_3 & 15]
        doc: (tsr4.md, section 1)
      after_5:
        value: (after_4 >> 4) ^ _parent.remainders[after_4 & 15]
        doc: (tsr4.md, section 1)
      after_6:
        value: (after_5 >> 4) ^ _parent.remainders[after_5 & 15]
        doc: (tsr4.md, section 1)
      after_7:
        value: (after_6 >> 4) ^ _parent.remainders[after_6 & 15]
        doc: (tsr4.md, section 1)
      after:
        value: (after_7 >> 4) ^ _parent.remainders[after_7 & 15]
        doc: The sum with these bytes (tsr4.md, section 1).

  tsr4_entry:
    doc: The 64 bytes that describe a tensor (tsr4.md, section 3).
    -of: entries[i].
    params:
      - id: index
        type: u4
        doc: i (tsr4.md, section 3).
    seq:
      - id: dtype
        type: u1
        enum: dtype
        valid:
          in-enum: true
        -clause: T4-DTYPE-1
        doc: The type of the elements (tsr4.md, section 4).
      - id: reserved_0
        contents: [0, 0, 0]
        -clause: T4-RESERVED-3
        doc: (tsr4.md, section 3)
      - id: shape
        type: s4
        repeat: expr
        repeat-expr: 4
        valid:
          min: 1
        -clause: T4-SHAPE-1
        doc: Four dimensions (tsr4.md, section 5).
      - id: numel
        type: s8
        valid:
          expr: |
            _ % shape[0] == 0 and _ / shape[0] % shape[1] == 0
              and _ / shape[0] / shape[1] % shape[2] == 0
              and _ / shape[0] / shape[1] / shape[2] == shape[3]
        -clause: T4-NUMEL-1
        doc: The product of shape (tsr4.md, section 5).
      - id: limit
        size: 0
        valid:
          expr: numel <= 0x7fffffffffffffff / itemsize
        -clause: T4-LIMIT-1
        -field: shape
        doc: The elements take at most 2 ** 63 - 1 bytes (tsr4.md, section 7).
      - id: row_stride
        type: u8
        doc: It says nothing of the payload, and can be anything (tsr4.md, section 5).
      - id: nbytes
        type: u8
        valid: numel * itemsize
        -clause: T4-NBYTES-1
        doc: The size of the elements (tsr4.md, section 3).
      - id: data_offset
        type: u8
        valid:
          expr: |
            _ >= start and _ - start >= size_before and (_parent.header.is_raw
              ? _ % 256 == 0 and _ - start - size_before < 256
              : _ - start == size_before)
        -clause: T4-OFFSET-1
        doc: Where the payload begins (tsr4.md, section 6).
      - id: payload_size
        type: u8
        valid:
          expr: not _parent.header.is_raw or _ == nbytes
        -clause: T4-STORED-1
        doc: The size of the payload (tsr4.md, section 6).
      - id: data_crc32
        type: u4
        doc: The CRC-32 of the elements (tsr4.md, section 3).
    instances:
      itemsize:
        value: 'dtype == dtype::int8 ? 1 : dtype == dtype::fp16 ? 2 : 4'
        doc: The bytes one element takes (tsr4.md, section 4).
      start:
        value: |
          index == 0 ? _parent.header.data_offset : _parent.entries[index - 1].data_offset
        doc: Where the payload before this one begins, or the first one (tsr4.md, section 6).
      size_before:
        value: |
          index == 0 ? 0 : _parent.entries[index - 1].payload_size
        doc: The size of the payload before this one (tsr4.md, section 6).
    enums:
      dtype:
        0: fp32
        1: fp16
        2: int8
        3: int32

  tsr4_payload:
    doc: What follows the directory for each entry (tsr4.md, section 6).
    params:
      - id: index
        type: u4
        doc: i (tsr4.md, section 3).
    seq:
      - id: space
        size: 0
        valid:
          expr: _io.size >= data_offset and _io.size - data_offset >= entry.payload_size
        -clause: T4-PAYLOAD-1
        -field: payload[i]
        -offset: data_offset
        doc: The file holds the payload (tsr4.md, section 7).
    instances:
      entry:
        value: _parent.entries[index]
        doc: What describes the payload (tsr4.md, section 3).
      data_offset:
        value: entry.data_offset
        doc: Where the payload begins (tsr4.md, section 6).
      padding_start:
        value: |
          index == 0 ? _parent.header.directory_end : (entry.start + entry.size_before).as<u8>
        doc: Where the padding before it begins (tsr4.md, section 6).
      padding:
        pos: padding_start
        type: u1
        repeat: expr
        repeat-expr: data_offset - padding_start
        valid: 0
        -clause: T4-PADDING-1
        -field: padding
        doc: At most 255 bytes (tsr4.md, section 6).
      stream_start:
        pos: data_offset
        type: zlib_start(index)
        if: not _parent.header.is_raw and entry.payload_size >= 2
        doc: The start of a compressed payload that has one (tsr4.md, section 14).
      stored:
        pos: data_offset
        size: entry.payload_size
        doc: The elements, in C order, or a zlib stream of them (tsr4.md, section 6).

  zlib_start:
    doc: The two bytes that a zlib stream begins with (tsr4.md, section 14; RFC 1950).
    params:
      - id: index
        type: u4
        doc: i (tsr4.md, section 3).
    seq:
      - id: window
        type: b4
        valid:
          max: 7
        -clause: T4-ZLIB-1
        -field: payload[i]
        -offset: begin
        doc: CINFO, 32 KiB at most (tsr4.md, section 14).
      - id: method
        type: b4
        valid: 8
        -clause: T4-ZLIB-1
        -field: payload[i]
        -offset: begin
        doc: CM, deflate (tsr4.md, section 14).
      - id: level
        type: b2
        doc: FLEVEL, which means nothing (tsr4.md, section 14).
      - id: has_dictionary
        type: b1
        valid: false
        -clause: T4-ZLIB-1
        -field: payload[i]
        -offset: begin
        doc: FDICT (tsr4.md, section 14).
      - id: check_bits
        type: b5
        valid:
          expr: (window << 12 | method << 8 | level << 6 | _) % 31 == 0
        -clause: T4-ZLIB-1
        -field: payload[i]
        -offset: begin
        doc: FCHECK, which makes the two bytes a multiple of 31 (tsr4.md, section 14).
    instances:
      begin:
        value: _parent.data_offset
        doc: Where the payload begins (tsr4.md, section 6).
