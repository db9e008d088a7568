;; The loops of the optimizer over whole parameters, four numbers at a time. Pointers are byte offsets into the memory, aligned
;; to 16; `count` is a multiple of 4.
(module
  (import "host" "memory" (memory 1 65536))

  ;; Σ x², each square in single precision, the sums in double: four sums, so that no addition waits for the one before.
  (func (export "sumOfSquares") (param $x i32) (param $count i32) (result f64)
    (local $end i32) (local $v v128) (local $low v128) (local $high v128)
    (local.set $end (i32.add (local.get $x) (i32.shl (local.get $count) (i32.const 2))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $x) (local.get $end)))
        (local.set $v (v128.load (local.get $x)))
        (local.set $v (f32x4.mul (local.get $v) (local.get $v)))
        (local.set $low (f64x2.add (local.get $low) (f64x2.promote_low_f32x4 (local.get $v))))
        (local.set $high (f64x2.add (local.get $high)
          (f64x2.promote_low_f32x4 (i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7 (local.get $v) (local.get $v)))))
        (local.set $x (i32.add (local.get $x) (i32.const 16)))
        (br $next)))
    (local.set $low (f64x2.add (local.get $low) (local.get $high)))
    (f64.add (f64x2.extract_lane 0 (local.get $low)) (f64x2.extract_lane 1 (local.get $low))))

  ;; AdamW: m = beta1·m + share1·g, v = beta2·v + share2·g², value = kept·value − step·m / (√v + epsilon).
  (func (export "adamW")
    (param $value i32) (param $m i32) (param $v i32) (param $g i32) (param $count i32)
    (param $beta1 f32) (param $beta2 f32) (param $share1 f32) (param $share2 f32)
    (param $step f32) (param $epsilon f32) (param $kept f32)
    (local $end i32) (local $gradient v128) (local $first v128) (local $second v128)
    (local.set $end (i32.add (local.get $value) (i32.shl (local.get $count) (i32.const 2))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $value) (local.get $end)))
        (local.set $gradient (v128.load (local.get $g)))
        (local.set $first (f32x4.add
          (f32x4.mul (f32x4.splat (local.get $beta1)) (v128.load (local.get $m)))
          (f32x4.mul (f32x4.splat (local.get $share1)) (local.get $gradient))))
        (local.set $second (f32x4.add
          (f32x4.mul (f32x4.splat (local.get $beta2)) (v128.load (local.get $v)))
          (f32x4.mul (f32x4.splat (local.get $share2)) (f32x4.mul (local.get $gradient) (local.get $gradient)))))
        (v128.store (local.get $m) (local.get $first))
        (v128.store (local.get $v) (local.get $second))
        (v128.store (local.get $value) (f32x4.sub
          (f32x4.mul (f32x4.splat (local.get $kept)) (v128.load (local.get $value)))
          (f32x4.div
            (f32x4.mul (f32x4.splat (local.get $step)) (local.get $first))
            (f32x4.add (f32x4.sqrt (local.get $second)) (f32x4.splat (local.get $epsilon))))))
        (local.set $value (i32.add (local.get $value) (i32.const 16)))
        (local.set $m (i32.add (local.get $m) (i32.const 16)))
        (local.set $v (i32.add (local.get $v) (i32.const 16)))
        (local.set $g (i32.add (local.get $g) (i32.const 16)))
        (br $next)))))
