<#
.SYNOPSIS
Links data in the training repository to your images, as a junction.
.DESCRIPTION
A start does the same by itself. What lies at data already is never replaced, and nothing is copied.
.PARAMETER WorkspaceRoot
Folder that holds config and .llm_loop. Default: the folder above this script.
.PARAMETER ConfigPath
Config file, relative to the workspace or absolute. Default: config/daemon_config.json.
.PARAMETER DataSourceRoot
Folder to link to, relative to the workspace or absolute. Default: empty, data_source_root of the configuration.
.EXAMPLE
.\scripts\link_data.ps1 -DataSourceRoot D:\images
#>

#Requires -Version 5.1
[CmdletBinding(PositionalBinding = $false)]
param(
    [string]$WorkspaceRoot = '',
    [ValidateNotNullOrEmpty()][string]$ConfigPath = 'config/daemon_config.json',
    [string]$DataSourceRoot = ''
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
. "$PSScriptRoot/_loop.ps1"
if (-not $WorkspaceRoot) { $WorkspaceRoot = Split-Path -Parent $PSScriptRoot }
$cli = @('--workspace', $WorkspaceRoot, 'data', 'link', '--config', $ConfigPath)
if ($DataSourceRoot) { $cli += @('--source', $DataSourceRoot) }
Invoke-Bootstrap @cli
exit $LASTEXITCODE
