<#
.SYNOPSIS
Makes what is missing of the Python environments and runs the project's tests.
.PARAMETER WorkspaceRoot
Accepted as by the other scripts. The tests always run in the folder above this script.
.EXAMPLE
powershell -ExecutionPolicy Bypass -File scripts\test.ps1
#>

#Requires -Version 5.1
[CmdletBinding(PositionalBinding = $false)]
param(
    [string]$WorkspaceRoot = ''
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
. "$PSScriptRoot/_loop.ps1"
if (-not $WorkspaceRoot) { $WorkspaceRoot = Split-Path -Parent $PSScriptRoot }
Invoke-Bootstrap '--workspace' $WorkspaceRoot 'test'
exit $LASTEXITCODE
